"""Loading Emotion2Vec-S from a folder, a hub or an object store; what is not exactly it is refused."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch

from model.emotion2vec_s.configuration import Emotion2VecSConfig
from model.emotion2vec_s.network import Emotion2VecS
from model.model_folder import FILES, ModelError, model_folder

Network = TypeVar("Network", bound=Emotion2VecS)

_CONFIG, _WEIGHTS = FILES
_CONVERT = "Convert it first: emotrove convert emotion2vec-s"
_AGAIN = "Convert it again, or fetch it again."


def load_emotion2vec_s(
    name: str,
    *,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    revision: str | None = None,
    network: type[Network] = Emotion2VecS,  # type: ignore[assignment]
) -> Network:
    """The network with its weights, in eval mode.

    Parameters
    ----------
    name : a folder, ``org/name`` on the Hugging Face hub, or the URL of a folder in an object store
    device : where it is put
    dtype : of its weights
    revision : branch, tag or commit on the hub
    network : ``Emotion2VecS``, or a class that derives from it

    Raises
    ------
    ModelError : there is no such model, it is of another kind, a weight is missing or misshapen, no such device
    StorageError : an object store cannot be read
    """
    place = _device(device)
    folder = model_folder(str(name), revision)
    check_folder(folder)
    from_pretrained: Any = network.from_pretrained
    try:
        with _quiet():
            found, report = from_pretrained(
                folder,
                dtype=dtype,
                local_files_only=True,
                use_safetensors=True,
                ignore_mismatched_sizes=True,  # they are refused below, with the rest
                output_loading_info=True,
            )
    except Exception as error:  # safetensors, transformers and torch each have errors of their own for a bad file
        raise ModelError(f"{folder} cannot be loaded: {_one_line(error)}. {_AGAIN}") from error
    lines = [
        *(f"missing     {key}" for key in sorted(report["missing_keys"])),
        *(f"unexpected  {key}" for key in sorted(report["unexpected_keys"])),
        *(
            f"misshapen   {key}: expected {tuple(expected)}, found {tuple(stored)}"
            for key, stored, expected in sorted(report["mismatched_keys"])
        ),
    ]
    if lines:
        raise ModelError(
            "\n".join([f"{folder} does not hold the weights that its {_CONFIG} describes. {_AGAIN}", *lines])
        )
    return found.to(place).eval()  # type: ignore[no-any-return]


def check_folder(folder: Path) -> None:
    """Refuse a folder that is not one of a converted network, without loading it.

    Raises
    ------
    ModelError : with what is wrong, and what to do
    """
    if folder.is_file():
        raise ModelError(f"{folder} is a file, not the folder of a converted network. {_CONVERT} {folder} FOLDER")
    if not folder.is_dir():
        raise ModelError(f"No such folder: {folder}")
    missing = [name for name in FILES if not (folder / name).is_file()]
    released = sorted(folder.glob("*.pt"))
    if missing and released:
        raise ModelError(f"{folder} holds a released checkpoint, {released[0].name}. {_CONVERT} {folder} FOLDER")
    if missing:
        raise ModelError(f"{folder} is not the folder of a converted network: it lacks {' and '.join(missing)}")
    try:
        config = json.loads((folder / _CONFIG).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / _CONFIG} cannot be read: {error}. {_AGAIN}") from error
    kind = config.get("model_type") if isinstance(config, dict) else None
    if kind != Emotion2VecSConfig.model_type:
        raise ModelError(
            f"{folder} holds another kind of model: model_type in its {_CONFIG} is {kind!r}, "
            f"not {Emotion2VecSConfig.model_type!r}"
        )


def network_version(folder: str | Path) -> str:
    """First eight hexadecimal digits of the SHA-256 of the configuration and the weights in a local folder.

    It tells networks apart: those of the same weights too, of which one normalises its input and the other does not. The version
    of transformers that wrote the folder, and how the configuration is laid out, do not count.

    Raises
    ------
    ModelError : they cannot be read
    """
    path = Path(folder, _CONFIG)
    try:
        config = json.loads(path.read_text("utf-8"))
        config.pop("transformers_version", None)
        digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
        path = Path(folder, _WEIGHTS)
        with path.open("rb") as file:
            while block := file.read(8 << 20):
                digest.update(block)
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror or error}") from error
    return digest.hexdigest()[:8]


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from printing a bar, and a report of what is refused here anyway."""
    from transformers.utils import logging

    level, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bar:
            logging.enable_progress_bar()


def _device(device: str | torch.device) -> torch.device:
    try:
        place = torch.device(device)
    except RuntimeError as error:
        raise ModelError(f"{device} is no device of torch: use cpu, cuda or cuda:1") from error
    if place.type == "cuda" and not torch.cuda.is_available():
        raise ModelError(f"{device} was asked for, and torch sees no GPU here: use cpu")
    return place


def _one_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
