"""What can be wrong with a released file."""

from manifests.errors import EmotroveError


class CheckpointError(EmotroveError):
    """The file is no checkpoint, damaged, or not one of this network."""


class UnsafeCheckpoint(CheckpointError):
    """The file asks for code: it names something that is neither a tensor, a plain container nor a type of a configuration."""


class UnsupportedArchitecture(CheckpointError):
    """The stored configuration describes a network that ours is not, or too little of one."""


class WeightsMismatch(CheckpointError):
    """Keys are missing, unexpected or misshapen; the message lists them all."""
