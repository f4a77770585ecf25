"""Models of an object store, kept on the local disk."""

import hashlib
import json
import os
import socket
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from shutil import rmtree
from typing import Any

from fsspec.callbacks import Callback

from manifests.command_line import bar
from manifests.errors import StorageError
from manifests.storage import Store, filesystem

_IDENTITY = ("ETag", "etag", "mtime", "LastModified", "last_modified", "created")  # the first that a store knows
_LATEST, _ASIDE = "latest", ".tmp-"
_ABANDONED_S = 24 * 3600
_READ_S = 3600  # nobody takes as long to fetch a model and load it


class StoreUnreachable(UserWarning):
    """A model from the cache is used without having asked the store whether it is the newest."""


def cache_folder() -> Path:
    """Where models of object stores are kept: ``EMOTROVE_CACHE``, or ``~/.cache/emotrove``."""
    return Path(os.environ.get("EMOTROVE_CACHE") or "~/.cache/emotrove").expanduser() / "models"


def cached_folder(url: str, names: Sequence[str]) -> Path:
    """A local folder with these files of a folder in an object store, fetched where they are new.

    Each state of the files has a folder of its own, which appears whole, so processes do not disturb each other. Where the store
    cannot be reached, what was used last is used, with a ``StoreUnreachable`` warning. A fetched state replaces all but the one
    that was used before it.

    Raises
    ------
    StorageError : the files are not there, may not be read, or cannot be fetched
    """
    url = url.rstrip("/")
    place = cache_folder() / hashlib.sha256(url.encode()).hexdigest()[:16]
    fs, root = filesystem(url)
    paths = {name: f"{root.rstrip('/')}/{name}" for name in names}
    try:
        found = _identities(fs, paths)
    except Exception as error:  # the packages for stores raise errors that share no base
        kept = _kept(place, names) if _is_unreachable(error) else None
        if kept is None:
            raise _explained(url, error) from error
        warnings.warn(
            f"{url} cannot be reached ({_one_line(error)}); the model fetched from there last is used",
            StoreUnreachable,
            stacklevel=3,
        )
        return kept
    folder = place / hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:16]
    try:
        before, fetched = _latest(place), not folder.is_dir()
        if fetched:
            _fetch(url, fs, paths, found, folder)
        if before != folder.name:
            Store(str(place)).write_text(_LATEST, folder.name)
        if fetched:
            _clear_replaced(place, {folder.name, before})
    except OSError as error:
        raise StorageError(
            f"{url} could not be kept in {place}: {error.strerror or error}. EMOTROVE_CACHE names another folder for it."
        ) from error
    return folder


def _identities(fs: Any, paths: Mapping[str, str]) -> dict[str, list[str]]:
    """Size and version of each file: another one means another content."""
    identities = {}
    for name, path in paths.items():
        info = fs.info(path)
        version = next((str(info[key]) for key in _IDENTITY if info.get(key) is not None), "")
        identities[name] = [str(info["size"]), version]
    return identities


def _fetch(url: str, fs: Any, paths: Mapping[str, str], found: Mapping[str, list[str]], folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    _clear_abandoned(folder.parent)
    aside = folder.parent / f"{_ASIDE}{uuid.uuid4().hex}"
    aside.mkdir()
    try:
        try:
            with bar(f"Fetching {url}, MB") as show:
                for name, path in paths.items():
                    fs.get_file(path, str(aside / name), callback=_Shown(show))
            unchanged = _identities(fs, paths) == found
        except Exception as error:
            raise _explained(url, error) from error
        sizes = {name: str((aside / name).stat().st_size) for name in paths}
        if not unchanged or any(sizes[name] != found[name][0] for name in paths):
            raise StorageError(f"{url} has changed while it was fetched: run the command again")
        for written in (*aside.iterdir(), aside):
            descriptor = os.open(written, os.O_RDONLY)
            os.fsync(descriptor)
            os.close(descriptor)
        try:
            aside.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process was faster
                raise
    finally:
        rmtree(aside, ignore_errors=True)


class _Shown(Callback):
    """Turns fsspec's count of bytes into a bar's megabytes."""

    def __init__(self, show: Callable[[int, int | None], None]) -> None:
        super().__init__()
        self.show = show

    def call(self, hook_name: str | None = None, **kwargs: Any) -> None:
        self.show(self.value >> 20, None if self.size is None else self.size >> 20)


def _clear_abandoned(place: Path) -> None:
    """Remove what killed processes have left behind; nobody fetches a model for a day."""
    for folder in place.glob(f"{_ASIDE}*"):
        if folder.is_dir() and time.time() - folder.stat().st_mtime > _ABANDONED_S:
            rmtree(folder, ignore_errors=True)


def _clear_replaced(place: Path, kept: Collection[str | None]) -> None:
    """Remove the other states of a model, except for those that another process may just have fetched."""
    for folder in place.iterdir():
        if folder.name in kept or folder.name.startswith(".") or not folder.is_dir():
            continue
        with suppress(FileNotFoundError):  # another process was faster
            if time.time() - folder.stat().st_mtime > _READ_S:
                # Out of sight at once: who comes while it is being removed must not take half of it.
                aside = folder.rename(place / f"{_ASIDE}{uuid.uuid4().hex}")
                rmtree(aside, ignore_errors=True)


def _latest(place: Path) -> str | None:
    try:
        return (place / _LATEST).read_text("utf-8")
    except FileNotFoundError:
        return None


def _kept(place: Path, names: Sequence[str]) -> Path | None:
    latest = _latest(place)
    folder = place / latest if latest else None
    return folder if folder and all((folder / name).is_file() for name in names) else None


def _is_unreachable(error: BaseException | None) -> bool:
    """Whether no answer came, as opposed to one that refuses."""
    kinds: list[type[BaseException]] = [ConnectionError, TimeoutError, socket.gaierror]
    for module, names in (
        ("botocore.exceptions", ("ConnectionError", "HTTPClientError")),
        ("aiohttp", ("ClientConnectionError",)),
    ):
        if module in sys.modules:  # an error of a package that is not loaded cannot have been raised
            kinds += [getattr(sys.modules[module], name) for name in names]
    while error is not None:
        if isinstance(error, tuple(kinds)):
            return True
        error = error.__cause__
    return False


def _explained(url: str, error: Exception) -> StorageError:
    if isinstance(error, FileNotFoundError):
        return StorageError(f"{url} holds no converted model: {_one_line(error)} is not there. Check the URL.")
    if isinstance(error, PermissionError):
        return StorageError(f"{url} may not be read: {_one_line(error)}. Check the credentials in the environment.")
    return StorageError(f"{url} cannot be read: {_one_line(error)}. Check that the store can be reached.")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
