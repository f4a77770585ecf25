"""Emilia's WebDataset tars, read in one pass with bounded memory.

A key's members normally stand side by side; where they do not, the parts are kept (the JSON, or the place of the audio) and
joined at the end of the shard. Whatever is in a tar gets its row: a key without audio or without JSON, a member that is cut
off, an unreadable rest.
"""

import re
import tarfile
from collections.abc import Container, Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, NamedTuple, cast

from manifests.audio_uri import AudioUri
from manifests.emilia import PENDING, MetadataError, Row, fail, identify, new_row, parse_metadata, reject
from manifests.ids import printable
from manifests.inputs import AUDIO_SUFFIXES

MAX_AUDIO_BYTES = 64 << 20
MAX_JSON_BYTES = 1 << 20
MAX_HEADER_BYTES = 1 << 20

_BLOCK = 512
_RECORD = 20 * _BLOCK  # tar pads the end to this
# WebDataset's rule: the key ends at the first dot of the file name.
_MEMBER = re.compile(r"(?P<key>(?:.*/)?[^/.]+)\.(?P<suffix>[^/]*)", re.DOTALL)


class Entry(NamedTuple):
    """One utterance of a shard, in reading order. ``row`` is None where it was to be skipped."""

    row: Row | None
    size: int  # bytes of encoded audio


class UnreadableShard(Exception):
    """A shard of which nothing can be read; the message says why."""


@dataclass(slots=True)
class _Audio:
    suffix: str
    offset: int
    size: int
    data: bytes | None = None  # None: skipped, too large, or to be read later


@dataclass(slots=True)
class _Group:
    """The members of one key, as far as they have been met."""

    key: str
    json: bytes | None = None
    audio: _Audio | None = None
    error: tuple[str, str] | None = None  # reason and detail
    others: list[str] = field(default_factory=list)

    @property
    def complete(self) -> bool:
        return self.json is not None and self.audio is not None and self.error is None

    def takes(self, suffix: str) -> bool:
        """Whether a member with this suffix belongs here, rather than to a second utterance of the same key."""
        return not (self.json is not None if suffix == "json" else self.audio is not None and _is_audio(suffix))


class _HeaderFile:
    """The tar as ``tarfile`` sees it, which reads headers only, however long a damaged one says it is."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell

    def read(self, size: int) -> bytes:
        if not 0 <= size <= MAX_HEADER_BYTES:
            raise ValueError(f"a header says that it has {size} bytes")
        return self._file.read(size)


class TarShard:
    """Reader of one tar.

    Parameters
    ----------
    url : of the tar, as it is written into ``audio_uri``
    file : the tar, open for reading and seeking
    size : of the tar in bytes
    shard : its name
    """

    def __init__(self, url: str, file: BinaryIO, size: int, shard: str) -> None:
        self._url, self._file, self._size, self._shard = url, file, size, shard
        self._seen: set[str] = set()
        self._position = 0
        self._with_audio = True
        self._rest_unreadable: tuple[int, str] | None = None
        self.note: str | None = None

    def entries(self, skip: Container[int] = (), audio: bool = True) -> Iterator[Entry]:
        """Every utterance in reading order; positions in ``skip`` give no row, and without ``audio`` none is read.

        Raises
        ------
        UnreadableShard : the file is not a tar
        """
        self._with_audio = audio
        pending: dict[str, list[_Group]] = {}
        whole: set[str] = set()
        for group in self._groups(skip):
            if group.complete:
                whole.add(group.key)
                yield self._entry(group, skip)
            else:
                if group.audio is not None:
                    group.audio.data = None  # however many parts wait, no audio waits with them
                pending.setdefault(group.key, []).append(group)
        for key, groups in pending.items():
            for group in _join(groups):
                if group.json is not None or group.audio is not None or key not in whole:
                    yield self._entry(group, skip)
        if self._rest_unreadable:
            offset, why = self._rest_unreadable
            row = new_row(self._shard, self._position, f"{self._shard}~{offset}")
            fail(row, "read", "corrupt_tar", f"{self._url}: nothing can be read from byte {offset} on: {why}")
            self._position += 1
            yield Entry(row, 0)

    def _groups(self, skip: Container[int]) -> Iterator[_Group]:
        current: _Group | None = None
        for info, cut in self._members():
            match = _MEMBER.fullmatch(info.name)
            key = printable(match["key"] if match else info.name)
            suffix = match["suffix"].lower() if match else ""
            if current is None or current.key != key or not current.takes(suffix):
                if current is not None:
                    yield current
                current = _Group(key)
            if suffix != "json" and not _is_audio(suffix):
                current.others.append(suffix or info.name)
            elif cut or not _is_plain(info):
                # The place in the group is taken all the same, so that the other member of the key finds its group.
                if suffix == "json":
                    current.json = b""
                else:
                    current.audio = _Audio(suffix, info.offset_data, info.size)
                if cut:
                    current.error = ("truncated_tar", f"{self._url} ends inside {printable(info.name)}")
                else:
                    current.error = ("not_a_file", f"{printable(info.name)} is a link or a device, not a plain file")
            elif suffix == "json":
                current.json = self._read(info.offset_data, min(info.size, MAX_JSON_BYTES))
                if info.size > MAX_JSON_BYTES:
                    current.error = (
                        "invalid_json",
                        f"the JSON has {info.size} bytes, at most {MAX_JSON_BYTES} are read",
                    )
            else:
                current.audio = _Audio(suffix, info.offset_data, info.size)
                # A group that turns out to be complete gets the next position, so it is known here whether it is wanted.
                if self._with_audio and info.size <= MAX_AUDIO_BYTES and self._position not in skip:
                    current.audio.data = self._read(info.offset_data, info.size)
        if current is not None:
            yield current

    def _members(self) -> Iterator[tuple[tarfile.TarInfo, bool]]:
        """The members, folders left out, and whether the file ends inside the member."""
        try:
            tar = tarfile.TarFile(fileobj=cast(BinaryIO, _HeaderFile(self._file)))
        except (tarfile.TarError, EOFError, ValueError, IndexError, RecursionError) as error:
            if self._size == 0:
                raise UnreadableShard(f"{self._url} is empty: not even the end mark of a tar") from None
            raise UnreadableShard(f"{self._url} is not a tar: {error}") from None
        offset = 0
        while True:
            self._file.seek(offset)
            tar.offset = offset
            try:
                info = tarfile.TarInfo.fromtarfile(tar)
            except tarfile.EOFHeaderError:  # type: ignore[attr-defined]
                self._look_behind_end_mark(offset)
                return
            except (
                tarfile.HeaderError,
                ValueError,
                IndexError,
                RecursionError,
            ) as error:  # all but the first from damaged
                # extension headers, or from thousands of them in a row
                rest = self._read(offset, _BLOCK)
                if len(rest) < _BLOCK and not rest.strip(b"\0"):
                    # Some tools leave the end mark out, and a tar cut between two members has none either.
                    self.note = "the tar has no end mark: it may have been cut between two members"
                else:
                    self._rest_unreadable = (offset, str(error))
                return
            if tar.offset <= offset or info.size < 0:
                self._rest_unreadable = (offset, f"a header says {info.size} bytes")
                return
            # tar.offset now points behind the member's data, which lie behind one or more header blocks.
            offset = tar.offset
            cut = (_is_plain(info) and info.offset_data + info.size > self._size) or offset >= self._size + _BLOCK
            if cut:
                self.note = f"the tar ends inside {printable(info.name)}"
            if not info.isdir():
                yield info, cut
            if cut:
                return

    def _look_behind_end_mark(self, offset: int) -> None:
        """Tars that were simply put behind each other have an end mark in the middle, and what follows is not read."""
        if self._size - offset > _RECORD and self._read(offset + _BLOCK, _RECORD).strip(b"\0"):
            self.note = f"{self._size - offset} bytes from the end mark on are not read: were tars joined with 'cat'?"

    def _read(self, offset: int, size: int) -> bytes:
        self._file.seek(offset)
        return self._file.read(size)

    def _entry(self, group: _Group, skip: Container[int]) -> Entry:
        position = self._position
        self._position += 1
        row = self._row(group, position)
        audio = group.audio
        size = audio.size if audio else 0
        if position in skip:
            return Entry(None, size)
        if row["outcome"] == PENDING and audio is not None:
            if audio.size > MAX_AUDIO_BYTES:
                reject(
                    row, "read", "too_large", float(audio.size), f"at most {MAX_AUDIO_BYTES} bytes of audio are read"
                )
            elif self._with_audio:
                row["audio"] = audio.data if audio.data is not None else self._read(audio.offset, audio.size)
        return Entry(row, size)

    def _row(self, group: _Group, position: int) -> Row:
        row = new_row(self._shard, position, group.key)
        if group.audio is not None:
            row["audio_uri"] = printable(str(AudioUri(self._url, group.audio.offset, group.audio.size)))
            row["audio_format"] = group.audio.suffix
        if group.json is not None:
            try:
                row.update(parse_metadata(group.json))
            except MetadataError as error:
                if group.error is None:
                    group.error = (error.reason, str(error))
        if group.error is not None:
            fail(row, "read", *group.error)
        elif group.audio is None:
            beside = f" (there is {', '.join(map(printable, group.others))})" if group.others else ""
            fail(row, "read", "missing_audio", f"{group.key} has no audio member{beside}")
        elif group.json is None:
            fail(row, "read", "missing_json", f"{group.key} has no .json member")
        return identify(row, group.key, self._seen)


def _is_audio(suffix: str) -> bool:
    return f".{suffix}" in AUDIO_SUFFIXES


def _is_plain(info: tarfile.TarInfo) -> bool:
    return info.isreg() and not info.issparse()


def _join(groups: list[_Group]) -> Iterator[_Group]:
    """Parts of one key that stood apart: the first JSON goes with the first audio, and so on."""
    whole: list[_Group] = []
    for part in groups:
        home = next((g for g in whole if _fits(g, part)), None)
        if home is None:
            whole.append(part)
            continue
        home.json = home.json if home.json is not None else part.json
        home.audio = home.audio or part.audio
        home.error = home.error or part.error
        home.others += part.others
    for group in whole:
        if group.audio is not None:
            # Its position is known only now, so what was read on the way may be missing or not wanted.
            group.audio.data = None
        yield group


def _fits(group: _Group, part: _Group) -> bool:
    return not (group.json is not None and part.json is not None) and not (group.audio and part.audio)
