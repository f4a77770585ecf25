"""From a released checkpoint to a folder that ``load_emotion2vec_s`` reads."""

import hashlib
import os
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from shutil import copymode, rmtree
from typing import Any

import yaml
from safetensors.torch import save_file

from manifests.errors import InputError, StorageError
from model.emotion2vec_s.released.architecture import read_architecture
from model.emotion2vec_s.released.card import Conversion, model_card
from model.emotion2vec_s.released.checkpoint import read_checkpoint
from model.emotion2vec_s.released.errors import CheckpointError, WeightsMismatch
from model.emotion2vec_s.released.weights import fit, rename

CONFIG_FILE, LABELS_FILE = "config.yaml", "tokens.txt"
_ASIDE = ".tmp-"
_BLOCK = 8 << 20

Progress = Callable[[int, int | None], None]


def convert(
    checkpoint: Path,
    out: Path,
    *,
    config_file: Path | None = None,
    normalize: bool | None = None,
    on_progress: Progress = lambda done, total: None,
) -> Conversion:
    """Write ``config.json``, ``model.safetensors`` and ``README.md`` into a new folder, all or nothing.

    Parameters
    ----------
    checkpoint : a fairseq checkpoint of Emotion2Vec-S or emotion2vec, a bare state dict, or FunASR's ``model.pt``; or its folder
    out : must not be there, or be empty
    config_file : YAML in the form of fairseq or FunASR, in place of what is stored in the checkpoint
    normalize : whether clips are normalised first; None takes it from the configuration

    Raises
    ------
    CheckpointError : unsafe, damaged, of another network, or with keys too many or too few; nothing is written then
    InputError : there is no such file, or ``out`` is in use
    StorageError : ``out`` cannot be written
    """
    check_free(out)
    source = _checkpoint_file(checkpoint)
    try:
        sha256 = _sha256(source, on_progress)
    except OSError as error:
        raise CheckpointError(f"{source} cannot be read: {error.strerror or error}") from error
    read = read_checkpoint(source)
    beside = source.parent / CONFIG_FILE
    stored = read.config
    if config_file is not None:
        stored = _read_yaml(config_file)
    elif stored is None and beside.is_file():
        stored = _read_yaml(beside)
    try:
        weights = rename(read.weights)
        if weights.stored_bytes > (size := source.stat().st_size):  # a small file can repeat its numbers without end
            raise WeightsMismatch(
                f"its tensors take {weights.stored_bytes:,} bytes, though the file has {size:,}: they repeat the same numbers"
            )
        labels = _labels(source.parent / LABELS_FILE, weights.head_rows)
        found = read_architecture(stored, weights.shapes, labels)
        if normalize is not None:
            found.config.normalize = normalize
        tensors = fit(weights, found.config)
    except CheckpointError as error:
        raise type(error)(f"{source} was not converted: {error}") from error
    result = Conversion(
        source,
        sha256,
        found.config,
        sum(tensor.numel() for tensor in tensors.values()),
        weights.left_out,
        found.assumed if normalize is None else [line for line in found.assumed if "normalised" not in line],
    )
    _write(out, result, tensors)
    return result


def check_free(out: Path) -> None:
    """Refuse a folder for a converted network that is in use.

    Raises
    ------
    InputError : it is there, and not empty
    """
    if out.is_dir() and not any(out.iterdir()):
        return
    if out.exists():
        raise InputError(f"{out} is there already, and not an empty folder: give another one, or remove it")


def _checkpoint_file(checkpoint: Path) -> Path:
    if checkpoint.is_file():
        return checkpoint
    if not checkpoint.is_dir():
        raise InputError(f"No such checkpoint: {checkpoint}")
    found = sorted(checkpoint.glob("*.pt"))
    if len(found) > 1 and checkpoint / "model.pt" in found:
        return checkpoint / "model.pt"
    if len(found) != 1:
        which = f"several: {', '.join(path.name for path in found)}. Name one of them" if found else "no .pt file"
        raise InputError(f"{checkpoint} has {which}")
    return found[0]


def _sha256(path: Path, on_progress: Progress) -> str:
    size, done, digest = path.stat().st_size, 0, hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            done += len(block)
            on_progress(done >> 20, size >> 20)
    return digest.hexdigest()


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{path} cannot be read as YAML: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} is no configuration: it needs a section 'model' (fairseq) or 'model_conf' (FunASR)")
    return found


def _labels(path: Path, rows: int) -> list[str]:
    """The classes of FunASR's head, as they are written beside it."""
    if not rows:
        return []
    try:
        labels = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except FileNotFoundError:
        raise InputError(
            f"The checkpoint has a head of {rows} classes, and {path} with their names is missing: fetch it from where the "
            "checkpoint was released"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if len(labels) != rows:
        raise WeightsMismatch(f"the head has {rows} classes, {path.name} names {len(labels)}")
    return labels


def _write(out: Path, conversion: Conversion, tensors: Mapping[str, Any]) -> None:
    aside = out.absolute().with_name(f"{_ASIDE}{uuid.uuid4().hex}")
    try:
        aside.mkdir(parents=True)
        try:
            save_file(dict(tensors), aside / "model.safetensors", metadata={"format": "pt"})
            (aside / "config.json").write_text(conversion.config.to_json_string(), "utf-8")
            copymode(aside / "config.json", aside / "model.safetensors")  # which only its maker could read
            (aside / "README.md").write_text(model_card(conversion), "utf-8")
            for path in (*aside.iterdir(), aside):
                descriptor = os.open(path, os.O_RDONLY)
                os.fsync(descriptor)
                os.close(descriptor)
            aside.replace(out.absolute())
        finally:
            rmtree(aside, ignore_errors=True)
    except Exception as error:  # safetensors' own error shares no base with OSError
        reason = getattr(error, "strerror", None) or error
        raise StorageError(
            f"Could not write {out}: {reason}. Nothing is there now; free some space or give another folder."
        ) from error
