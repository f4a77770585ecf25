"""Finding a model by its name: a local folder, the URL of one in an object store, or a name on the Hugging Face hub."""

from pathlib import Path

from manifests.errors import EmotroveError
from manifests.storage import is_url, local_path
from model.store_cache import cached_folder

FILES = ("config.json", "model.safetensors")


class ModelError(EmotroveError):
    """A model cannot be loaded: it is not there, not one of this kind, or not whole."""


def is_path(name: str) -> bool:
    """Whether a name means a local folder rather than one on a hub."""
    return name.startswith(("/", "./", "../", "~", "file://")) or Path(name).exists()


def model_folder(name: str, revision: str | None = None) -> Path:
    """A local folder with the files of a model; those of a store or a hub are fetched once and kept.

    Parameters
    ----------
    name : ``folder``, ``org/name``, or ``s3://bucket/folder``
    revision : branch, tag or commit of a model on the hub

    Raises
    ------
    ModelError : there is no such model
    StorageError : an object store cannot be read
    """
    remote = not is_url(name) and not is_path(name)
    if revision is not None and not remote:
        raise ModelError(f"{name}: only a model on the hub has revisions, not one in a folder or an object store")
    if is_url(name):
        return cached_folder(name, FILES)
    if not remote:
        return local_path(name)
    if name.count("/") != 1:
        raise ModelError(f"No such folder: {name}. A model on the hub is named org/name")
    return _from_hub(name, revision)


def _from_hub(name: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(FILES)))
    except GatedRepoError as error:
        raise ModelError(f"{name} is on the hub, but access must be asked for there, and HF_TOKEN set") from error
    except RevisionNotFoundError as error:
        raise ModelError(f"{name} on the hub has no revision {revision}") from error
    except (RepositoryNotFoundError, HFValidationError) as error:
        raise ModelError(
            f"{name} is neither a folder here nor a model on the Hugging Face hub (for a private one set HF_TOKEN)"
        ) from error
    except (LocalEntryNotFoundError, OfflineModeIsEnabled) as error:
        raise ModelError(
            f"{name} is no folder here, and the Hugging Face hub, where it may be, cannot be reached; nor was it fetched before"
        ) from error
    except OSError as error:  # of HTTP, too
        raise ModelError(f"{name} could not be fetched from the Hugging Face hub: {error}") from error
