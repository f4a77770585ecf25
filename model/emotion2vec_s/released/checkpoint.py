"""Reading a released ``.pt`` file without the code it was written with, and without running anything that is in it.

``torch.load(weights_only=True)`` does the reading: its unpickler makes nothing but tensors, plain containers and what it is told to
admit. It is told to admit the types of a configuration, each in the form of a stand-in. The names in the file are listed first,
so that a refusal can say what the file asked for.
"""

import io
import pickletools
import re
import zipfile
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch

from model.emotion2vec_s.released.errors import CheckpointError, UnsafeCheckpoint
from model.emotion2vec_s.released.inert import plain, stand_in

_LEGACY_PICKLES = 5  # magic number, protocol, system, the object, the keys of its storages; then the numbers
_LEGACY_MAGIC = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."
_WRAPPED = "model"
_TENSOR_PARTS = re.compile(
    r"torch\.(Size|device|(?!Untyped|Typed)\w+Storage|(b?float|u?int|complex|bool)\d*)"
    r"|torch\.nn\.parameter\.Parameter|torch\._utils\._rebuild_(tensor|tensor_v2|parameter)"
    r"|collections\.(OrderedDict|Counter)|_codecs\.encode"
)
"""Nothing that takes memory for a number in the file: ``bytearray``, ``torch.Tensor`` and ``torch.UntypedStorage`` would."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What is in a file: ``weights`` by name (other things may stand among them), and the stored configuration, if any."""

    weights: dict[str, Any]
    config: dict[str, Any] | None


def read_checkpoint(path: Path) -> Checkpoint:
    """A fairseq checkpoint, FunASR's ``model.pt``, or a bare state dict, in torch's zip format or the one before it.

    The weights of a file in zip format stay on the disk until they are used.

    Raises
    ------
    UnsafeCheckpoint : it names something that no checkpoint of this kind needs
    CheckpointError : it cannot be read, is damaged, or holds no weights
    """
    try:
        return _read(path)
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    except RecursionError:
        raise CheckpointError(f"{path} is damaged: its configuration is nested without end") from None
    except Exception as error:  # a damaged file makes zipfile, pickletools and torch fail in any way
        raise CheckpointError(f"{path} is damaged, or no checkpoint: {_reason(error)}. Fetch it again.") from error


def _read(path: Path) -> Checkpoint:
    in_zip = zipfile.is_zipfile(path)
    names = sorted(_zip_names(path) if in_zip else _legacy_names(path))
    admitted: list[Any] = [(stand, name) for name in names if (stand := stand_in(name)) is not None]
    refused = [name for name in names if stand_in(name) is None and not _is_tensor_part(name)]
    if refused:
        raise UnsafeCheckpoint(
            f"{path} was refused, nothing in it was run. It asks for {_shown(', '.join(refused))}; a checkpoint holds tensors, plain "
            "containers and a configuration, and needs none of that. Fetch it again from where it was released."
        )
    with torch.serialization.safe_globals(admitted):
        found = torch.load(path, map_location="cpu", weights_only=True, mmap=in_zip)
    return _opened(path, found)


def _opened(path: Path, found: Any) -> Checkpoint:
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} holds a {type(found).__name__}, not the weights of a network")
    if {"step", "network", "module"} <= found.keys():
        raise CheckpointError(
            f"{path} is a checkpoint of a training with emotrove. Name it where the training wrote it, OUT/checkpoints/step-….pt: what "
            "it was trained on stands in OUT/training.yaml"
        )
    if not isinstance(found.get(_WRAPPED), dict):
        weights, stored = found, None
    else:
        weights, stored = found[_WRAPPED], found.get("cfg") or found.get("args")
    if not any(isinstance(value, torch.Tensor) for value in weights.values()):
        raise CheckpointError(f"{path} holds no tensors, so it is not a checkpoint of a network")
    config = plain(stored) if stored is not None else None
    if config is not None and not isinstance(config, dict):
        raise CheckpointError(f"{path} is damaged: its configuration is a {type(config).__name__}")
    odd = next((name for name in weights if not isinstance(name, str) or not name.isprintable()), None)
    if odd is not None:
        raise CheckpointError(f"{path} is damaged: a weight has the name {odd!r}")
    return Checkpoint(dict(weights), config)


def _zip_names(path: Path) -> set[str]:
    """What the pickle inside a zip file names; and that the archive is one that torch has written."""
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        listed = [entry.filename for entry in entries]
        odd = sorted({name for name in listed if name.startswith("/") or ".." in name.split("/") or "\\" in name})
        if odd or len(set(listed)) < len(listed):
            what = f"paths that lead out of it: {_shown(', '.join(odd))}" if odd else "two entries of the same name"
            raise UnsafeCheckpoint(f"{path} was refused: the archive has {what}")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise UnsafeCheckpoint(
                f"{path} was refused: the archive is compressed, which torch's never are, so its size is unknown"
            )
        pickles = [name for name in listed if name.endswith(".pkl")]
        if not any(name.endswith("/data.pkl") for name in pickles):
            raise CheckpointError(f"{path} is a zip archive, but no checkpoint: it has no data.pkl")
        return {named for name in pickles for named in _names(io.BytesIO(archive.read(name)))}


def _legacy_names(path: Path) -> set[str]:
    """What the pickles at the beginning of a file of torch 1.5 or older name."""
    with path.open("rb") as file:
        if file.read(len(_LEGACY_MAGIC)) != _LEGACY_MAGIC:
            raise CheckpointError(f"{path} is no checkpoint: it is in neither of the formats that torch.save writes")
        file.seek(0)
        return {name for _ in range(_LEGACY_PICKLES) for name in _names(file)}


def _names(file: BinaryIO) -> Iterator[str]:
    """``module.name`` of everything that one pickle calls for; the file is then behind its end."""
    texts: list[str] = []
    for operation, argument, _ in pickletools.genops(file):
        if operation.name in ("GLOBAL", "INST"):
            module, name = str(argument).split(" ", 1)
            # As the unpickler does it: Python 2's names, which is what torch writes, for those of Python 3.
            module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
            yield f"{module}.{name}"
        elif operation.name == "STACK_GLOBAL":
            yield ".".join(texts[-2:]) + " (by a computed name)"
        elif operation.name in ("EXT1", "EXT2", "EXT4"):
            yield f"extension {argument} of the registry of copyreg"
        elif isinstance(argument, str):
            texts = [*texts[-1:], argument]


def _is_tensor_part(name: str) -> bool:
    return _TENSOR_PARTS.fullmatch(name) is not None


def _reason(error: Exception) -> str:
    text = str(error).strip()
    if "Weights only load failed" in text:  # the rest of torch's message says how to run the file all the same
        text = text.rpartition("WeightsUnpickler error:")[2] if "WeightsUnpickler error:" in text else ""
    return _shown((text.strip().splitlines() or [type(error).__name__])[0].rstrip("."))


def _shown(text: str) -> str:
    """Text of the file, harmless for a terminal."""
    return text.encode("unicode_escape").decode("ascii")
