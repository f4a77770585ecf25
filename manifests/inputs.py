"""From what the user names to a list of shards: tars, folders of audio files, JSONL files.

A path, a glob or a URL may be given. Reading starts only later; here the input is listed.
"""

import contextlib
import glob
import hashlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from manifests.errors import EmotroveError, InputError
from manifests.ids import derived_id, is_valid_id, printable
from manifests.run_folder import Shard
from manifests.storage import file_size, filesystem, is_url, local_path, open_binary

AUDIO_SUFFIXES = frozenset({".mp3", ".flac", ".wav", ".ogg", ".opus"})
FILES_PER_SHARD = 1000


def find_shards(inputs: Sequence[str]) -> list[Shard]:
    """The shards behind one or more paths, globs or URLs, each once, in the order given and sorted inside each.

    Raises
    ------
    InputError : a path is missing or cannot be listed, or there is no shard at all
    """
    found: dict[str, Shard] = {}
    for spec in inputs:
        with _explained(spec):
            there = [shard for url in _expand(spec) for shard in _shards_of(url)]
        for shard in there:
            found.setdefault(f"{shard.kind} {shard.url} {shard.lines} {shard.files[:1]}", shard)
        if not there:
            raise InputError(
                f"No shard in {spec}: emotrove reads .tar files (Emilia form), folders with "
                f"{', '.join(sorted(AUDIO_SUFFIXES))} files, and .jsonl files with index, wav and text"
            )
    return _with_unique_names(list(found.values()))


@contextlib.contextmanager
def _explained(spec: str) -> Iterator[None]:
    try:
        yield
    except EmotroveError:
        raise
    except Exception as error:
        if not is_url(spec):
            raise
        # botocore and aiohttp raise errors that share no other base
        raise InputError(f"Could not list {spec}: {error}. Check the address and the credentials.") from error


def _with_unique_names(shards: list[Shard]) -> list[Shard]:
    """Two folders may hold tars of one name; the later one gets a name made from its path."""
    seen: set[str] = set()
    result = []
    for shard in shards:
        name = shard.name
        if name in seen:
            where = f"{shard.url}{shard.lines}{shard.files[:1]}"
            name = f"{name}~{hashlib.blake2b(where.encode('utf-8', 'surrogateescape'), digest_size=4).hexdigest()}"
        seen.add(name)
        result.append(Shard(name, shard.kind, shard.url, shard.size, shard.files, shard.lines))
    return result


def _expand(spec: str) -> list[str]:
    """The files and folders a path, glob or URL stands for, sorted."""
    if is_url(spec):
        fs, path = filesystem(spec)
        if any(char in path for char in "*?["):
            return [fs.unstrip_protocol(match) for match in sorted(fs.glob(path))]
        if not fs.exists(path):
            raise InputError(f"No such input: {spec}. Check the address and the credentials")
        return [spec]
    path_ = local_path(spec).absolute()
    try:
        if path_.exists():
            return [str(path_)]
    except OSError as error:
        raise InputError(f"Could not look for {spec}: {error.strerror}. Check the path and the permissions.") from None
    matches = sorted(glob.glob(str(path_), recursive=True))  # noqa: PTH207  a pattern may be absolute
    if not matches:
        raise InputError(
            f"No such input: {spec}. Give a .tar, a folder, a .jsonl file, or a quoted glob such as 'data/*.tar'"
        )
    return matches


def _shards_of(url: str) -> Iterator[Shard]:
    suffix = PurePosixPath(url).suffix.lower()
    if suffix == ".tar":
        yield _tar(url)
    elif suffix == ".jsonl":
        yield from _jsonl(url)
    elif _is_folder(url):
        files = _walk(url)
        yield from (_tar(f"{url.rstrip('/')}/{name}") for name in files if name.lower().endswith(".tar"))
        audio = [name for name in files if PurePosixPath(name).suffix.lower() in AUDIO_SUFFIXES]
        for first in range(0, len(audio), FILES_PER_SHARD):
            part = tuple(audio[first : first + FILES_PER_SHARD])
            yield Shard(f"{_shard_name(url)}-{first // FILES_PER_SHARD:05d}", "folder", url.rstrip("/"), files=part)
    elif suffix in AUDIO_SUFFIXES:
        parent, _, name = url.rpartition("/")
        yield Shard(_shard_name(url), "folder", parent, files=(name,))
    else:
        raise InputError(f"{url} is not a .tar, a .jsonl, an audio file or a folder")


def _tar(url: str) -> Shard:
    try:
        size: int | None = file_size(url)
    except OSError:
        size = None  # the reader says what is wrong with it, and the other shards go on
    return Shard(_shard_name(url), "tar", url, size)


def _jsonl(url: str) -> Iterator[Shard]:
    """Cut a JSONL file into runs of lines, by reading it once."""
    offset = first = count = length = 0
    try:
        with open_binary(url) as file:
            for line in file:
                count, length = count + 1, length + len(line)
                if count == FILES_PER_SHARD:
                    yield _lines(url, first, count, offset, length)
                    offset, first, count, length = offset + length, first + count, 0, 0
    except OSError as error:
        raise InputError(f"Could not read {url}: {error.strerror or error}") from error
    if count:
        yield _lines(url, first, count, offset, length)


def _lines(url: str, first: int, count: int, offset: int, length: int) -> Shard:
    return Shard(
        f"{_shard_name(url)}-{first // FILES_PER_SHARD:05d}", "jsonl", url, length, lines=(offset, length, first + 1)
    )


def _shard_name(url: str) -> str:
    name = PurePosixPath(url.rstrip("/")).name
    name = printable(name.removesuffix(PurePosixPath(name).suffix) or "input")
    return name if is_valid_id(name) else derived_id(name)


def _is_folder(url: str) -> bool:
    if is_url(url):
        fs, path = filesystem(url)
        return bool(fs.isdir(path))
    return local_path(url).is_dir()


def _walk(url: str) -> list[str]:
    """Paths of all files below a folder, relative to it, sorted."""
    if is_url(url):
        fs, root = filesystem(url)
        names = (name[len(root.rstrip("/")) + 1 :] for name in fs.find(root))
        return sorted(name for name in names if not PurePosixPath(name).name.startswith("."))
    root_ = local_path(url)

    def refuse(error: OSError) -> None:
        raise InputError(f"Could not list {error.filename}: {error.strerror}. Check the permissions.")

    return sorted(
        (Path(folder) / name).relative_to(root_).as_posix()
        for folder, _, names in os.walk(root_, onerror=refuse)
        for name in names
        if not name.startswith(".")
    )
