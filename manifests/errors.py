"""The exceptions that emotrove raises on purpose.

A library function raises one of these; the command line turns it into one message and a non-zero exit code.
"""


class EmotroveError(Exception):
    """Base of all errors whose message is written for the user: what, where, and the remedy."""


class InputError(EmotroveError):
    """The input cannot be used: it is missing, unreadable, or there is nothing in it."""


class ConfigError(EmotroveError):
    """A profile or a configuration file has an unknown key, a wrong type, or an impossible value."""


class MissingPackage(EmotroveError):
    """An optional package is not installed.

    Parameters
    ----------
    package : the import name that failed
    extra : the extra of emotrove that brings it
    purpose : what needs it, as a noun phrase
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs the package '{package}'. Install it with: pip install 'emotrove[{extra}]'")


class RunFolderError(EmotroveError):
    """The run folder is missing, of another version, or of another configuration."""


class RunLocked(RunFolderError):
    """Another job is at work on the run folder."""


class JobStopped(EmotroveError):
    """The job cannot go on; what it committed stays."""


class StorageError(EmotroveError):
    """A file of the run folder could not be written or read (disk full, no permission, store unreachable)."""
