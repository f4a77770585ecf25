"""Files of a run, on a local disk or on an object store, with writes that appear whole or not at all.

Locally a file is written aside, synced and renamed; on an object store it is a single PUT.
"""

import contextlib
import errno
import os
import re
import stat
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec

from manifests.errors import EmotroveError, MissingPackage, StorageError

_URL = re.compile(r"^[a-zA-Z][a-zA-Z0-9+.-]*://")
_TEMPORARY = ".tmp-"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC


def is_url(text: str) -> bool:
    """Whether the text is a URL of a remote store rather than a local path; ``file://`` counts as local."""
    return _URL.match(text) is not None and not text.startswith("file://")


def local_path(text: str) -> Path:
    """The path that a local path or a ``file://`` URL means."""
    return Path(text.removeprefix("file://")).expanduser()


def filesystem(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL and the path inside it.

    Raises
    ------
    MissingPackage : the package for this kind of store is not installed
    StorageError : no such kind of store
    """
    try:
        # A cached listing would hide files that another process has just written.
        fs, path = fsspec.core.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        scheme = url.split("://", 1)[0]
        raise MissingPackage(error.name or scheme, "s3", f"reading {scheme}:// URLs") from error
    except ValueError as error:
        raise StorageError(f"{url}: {error}. Use a local path or a URL such as s3://bucket/folder") from error
    return fs, path


def open_binary(url: str, block_size: int = 4 << 20) -> BinaryIO:
    """Open a file for reading by path or URL; remote files are read ahead in blocks.

    Raises
    ------
    OSError : with the path in its message
    """
    if not is_url(url):
        return local_path(url).open("rb")
    fs, path = filesystem(url)
    return cast(BinaryIO, fs.open(path, "rb", block_size=block_size, cache_type="readahead"))


def file_size(url: str) -> int:
    """Size of a file in bytes.

    Raises
    ------
    OSError : it is missing, not a file, or unreadable
    """
    if not is_url(url):
        path = local_path(url)
        status = path.stat()
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, "is a directory", str(path))
        if not stat.S_ISREG(status.st_mode):
            # Reading a pipe or a device may never end.
            raise OSError(errno.EINVAL, "is not a regular file", str(path))
        return status.st_size
    fs, path_in_store = filesystem(url)
    info = fs.info(path_in_store)
    if info.get("type") == "directory":
        raise IsADirectoryError(errno.EISDIR, "is a directory", url)
    return int(info["size"])


@dataclass(frozen=True)
class Store:
    """A folder on a local disk or an object store. Names inside it are relative and use ``/``."""

    root: str

    @cached_property
    def is_local(self) -> bool:
        return not is_url(self.root)

    @cached_property
    def _folder(self) -> str:
        return str(local_path(self.root))

    @cached_property
    def remote(self) -> tuple[Any, str]:
        """The fsspec file system of a remote store, and the path of the root in it."""
        fs, path = filesystem(self.root)
        return fs, path.rstrip("/")

    def path(self, name: str = "") -> str:
        """The full path or URL of a name, for people and for other programs."""
        if self.is_local:
            return str(local_path(self.root).absolute() / name)
        return f"{self.root.rstrip('/')}/{name}".rstrip("/")

    def _local(self, name: str) -> Path:
        return Path(self._folder, name)

    def _in_store(self, name: str) -> str:
        return f"{self.remote[1]}/{name}".rstrip("/")

    @contextlib.contextmanager
    def _explained(self, doing: str, name: str) -> Iterator[None]:
        try:
            yield
        except (FileNotFoundError, FileExistsError):
            raise
        except OSError as error:
            remedy = {
                errno.ENOSPC: "The disk is full: free some space",
                errno.EDQUOT: "The disk quota is used up: free some space",
                errno.EACCES: "Check the permissions",
                errno.EPERM: "Check the permissions",
                errno.EROFS: "The file system is read-only",
                errno.ENOTDIR: "A part of the path is a file: give another path",
            }.get(error.errno or 0, "Check that the store can be reached")
            raise StorageError(
                f"Could not {doing} {self.path(name)}: {error.strerror or error}. {remedy} and run the command again."
            ) from error
        except Exception as error:
            if self.is_local or isinstance(error, EmotroveError):
                raise
            # botocore and aiohttp raise errors that share no other base
            raise StorageError(
                f"Could not {doing} {self.path(name)}: {error}. Check that the store can be reached and run the command again."
            ) from error

    def exists(self, name: str) -> bool:
        if self.is_local:
            return self._local(name).exists()
        with self._explained("look for", name):
            return bool(self.remote[0].exists(self._in_store(name)))

    def read_bytes(self, name: str) -> bytes:
        """The whole file.

        Raises
        ------
        FileNotFoundError : there is none
        StorageError : it cannot be read
        """
        with self._explained("read", name):
            if self.is_local:
                return self._local(name).read_bytes()
            return cast(bytes, self.remote[0].cat_file(self._in_store(name)))

    def read_text(self, name: str) -> str:
        return self.read_bytes(name).decode("utf-8")

    def write_bytes(self, name: str, data: bytes, *, sync: bool = True) -> None:
        """Write a file so that it appears whole or not at all, replacing one of the same name.

        Parameters
        ----------
        sync : False leaves it to ``sync()`` to make the file survive a power cut: for many small files at once

        Raises
        ------
        StorageError : the disk is full, the place cannot be written, …; an older file of this name is still whole
        """
        with self._explained("write", name):
            if self.is_local:
                _write_aside(f"{self._folder}/{name}", data, sync)
                return
            try:
                self.remote[0].pipe_file(self._in_store(name), data)
            except FileNotFoundError as error:
                raise StorageError(
                    f"Could not write {self.path(name)}: there is no such bucket. Make it first."
                ) from error

    def sync(self) -> None:
        """Make everything written so far survive a power cut."""
        if self.is_local:
            os.sync()

    def write_text(self, name: str, text: str) -> None:
        self.write_bytes(name, text.encode("utf-8"))

    def create(self, name: str, data: bytes) -> bool:
        """Write a file only if there is none; returns whether this call wrote it."""
        with self._explained("create", name):
            if self.is_local:
                path = self._local(name)
                _make_folder(path.parent)
                aside = path.with_name(f"{_TEMPORARY}{uuid.uuid4().hex}")
                try:
                    _write_synced(aside, data)
                    # A hard link fails where the name exists, and shows the file with its content or not at all.
                    os.link(aside, path)
                except FileExistsError:
                    return False
                except OSError as error:
                    if error.errno not in (errno.EPERM, errno.ENOTSUP):
                        raise
                    return _create_without_link(path, data)
                finally:
                    aside.unlink(missing_ok=True)
                _sync_folder(path.parent)
                return True
            try:
                self.remote[0].pipe_file(self._in_store(name), data, mode="create")
            except FileExistsError:
                return False
            return True

    @contextlib.contextmanager
    def writing(self, name: str, *, new: bool = False) -> Iterator[Path]:
        """A local file to write to, for what is too large for memory; it appears under the name whole, when the block ends.

        One writer at a time: what a killed one has left behind is overwritten by the next.

        Parameters
        ----------
        new : never replace a file of this name

        Raises
        ------
        FileExistsError : there is a file of this name, and ``new`` was asked for
        StorageError : the disk is full, the place cannot be written, …; an older file of this name is still whole
        """
        if not self.is_local:
            with tempfile.TemporaryDirectory(prefix="emotrove-") as folder:
                with Store(folder)._explained("write", "file"):
                    yield Path(folder) / "file"
                with self._explained("write", name):
                    mode = "create" if new else "overwrite"
                    self.remote[0].put_file(f"{folder}/file", self._in_store(name), mode=mode)
            return
        with self._explained("write", name):
            path = self._local(name)
            _make_folder(path.parent)
            aside = path.with_name(f"{_TEMPORARY}{path.name}")
            try:
                yield aside
                with aside.open("rb+") as file:
                    os.fsync(file.fileno())
                if new and path.exists():
                    raise FileExistsError(errno.EEXIST, "is there already", str(path))
                aside.replace(path)
            finally:
                aside.unlink(missing_ok=True)
            _sync_folder(path.parent)

    def delete(self, name: str) -> None:
        """Remove a file; one that is not there is fine."""
        with self._explained("delete", name), contextlib.suppress(FileNotFoundError):
            if self.is_local:
                self._local(name).unlink()
            else:
                self.remote[0].rm_file(self._in_store(name))

    def list(self, folder: str) -> list[str]:
        """Names (relative to the root, sorted) of the files directly in a folder; none where there is no folder."""
        with self._explained("list", folder):
            try:
                if self.is_local:
                    with os.scandir(self._local(folder)) as entries:
                        names = [entry.name for entry in entries if entry.is_file()]
                else:
                    found = self.remote[0].ls(self._in_store(folder), detail=True)
                    names = [Path(entry["name"]).name for entry in found if entry["type"] == "file"]
            except FileNotFoundError:
                return []
        return sorted(f"{folder}/{name}" for name in names if not name.startswith(_TEMPORARY))

    def sizes(self) -> dict[str, int]:
        """Size in bytes of each file directly in the root, by name; none where there is no such folder."""
        found: dict[str, int] = {}
        with self._explained("list", ""):
            try:
                if self.is_local:
                    with os.scandir(self._local("")) as entries:
                        for entry in entries:
                            if entry.is_file() and not entry.name.startswith(_TEMPORARY):
                                found[entry.name] = entry.stat().st_size
                else:
                    for listed in self.remote[0].ls(self._in_store(""), detail=True):
                        if listed["type"] == "file":
                            found[Path(listed["name"]).name] = listed["size"]
            except FileNotFoundError:
                return {}
        return found

    def ensure(self) -> None:
        """Make the folder, and prove that it can be written to.

        Raises
        ------
        StorageError : it cannot
        """
        with self._explained("make", ""):
            if self.is_local:
                try:
                    self._local("").mkdir(parents=True, exist_ok=True)
                except FileExistsError:
                    raise StorageError(f"{self.path()} is a file. Give a folder for the run") from None
        probe = f"{_TEMPORARY}{uuid.uuid4().hex}"
        self.write_bytes(probe, b"")
        self.delete(probe)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:  # means something else where it is raised for the name that is written
        raise NotADirectoryError(errno.ENOTDIR, "is a file, not a folder", str(folder)) from None


def _write_aside(path: str, data: bytes, sync: bool) -> None:
    # Plain strings: of many small files a second, pathlib would take more time than the file system.
    folder = path.rpartition("/")[0]
    aside = f"{folder}/{_TEMPORARY}{os.urandom(16).hex()}"
    try:
        descriptor = os.open(aside, _NEW, 0o666)
    except (FileNotFoundError, NotADirectoryError):
        _make_folder(Path(folder))
        descriptor = os.open(aside, _NEW, 0o666)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            if sync:
                file.flush()
                os.fsync(descriptor)
        os.rename(aside, path)  # noqa: PTH104
    except BaseException:
        Path(aside).unlink(missing_ok=True)
        raise
    if sync:
        _sync_folder(Path(folder))


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _create_without_link(path: Path, data: bytes) -> bool:
    """For file systems without hard links (exFAT, some network shares): for a moment the file is there, but empty."""
    try:
        with path.open("xb") as file:
            file.write(data)
    except FileExistsError:
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """Make a rename survive a power cut; not every file system can, and those that cannot say so."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)
