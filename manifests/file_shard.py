"""Folders of audio files and JSONL lists of them, read into the same rows as Emilia's tars."""

import json
from collections.abc import Container, Iterator
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from manifests.audio_uri import AudioUri
from manifests.emilia import PENDING, Row, fail, identify, new_row, reject
from manifests.ids import printable
from manifests.run_folder import Shard
from manifests.storage import file_size, is_url, open_binary
from manifests.tar_shard import MAX_AUDIO_BYTES, Entry


class FileShard:
    """Reader of one run of audio files: all files of a folder, or those that the lines of a JSONL file name.

    The id of a file is its path below the folder, without the suffix and with ``--`` for ``/``; that of a line is its
    ``index``. A line needs ``index`` and ``wav``; ``text``, ``language`` and ``speaker`` are taken where they are given.
    """

    def __init__(self, shard: Shard, lines: BinaryIO | None = None) -> None:
        self._shard, self._lines = shard, lines
        self._seen: set[str] = set()
        self.bytes_read = 0

    def entries(self, skip: Container[int] = (), audio: bool = True) -> Iterator[Entry]:
        """Every file or line in order; positions in ``skip`` give no row, and without ``audio`` none is read."""
        for position, (row, path) in enumerate(self._rows()):
            size = 0
            if path is not None:
                identify(row, row["utterance_id"], self._seen)
                try:
                    size = file_size(path)
                except Exception as error:  # a path of a list may be anything: no path at all, an unknown kind of URL
                    fail(row, "read", "missing_audio", f"{path}: {_reason(error)}")
            if position in skip:
                yield Entry(None, size)
                continue
            if row["outcome"] == PENDING and path is not None:
                self._load(row, path, size, audio)
            yield Entry(row, size)

    def _load(self, row: Row, path: str, size: int, audio: bool) -> None:
        row["audio_uri"] = printable(str(AudioUri(path, 0, size)))
        row["audio_format"] = PurePosixPath(path).suffix.lstrip(".").lower() or None
        if size > MAX_AUDIO_BYTES:
            reject(row, "read", "too_large", float(size), f"at most {MAX_AUDIO_BYTES} bytes of audio are read")
            return
        if not audio:
            return
        try:
            with open_binary(path) as file:
                row["audio"] = file.read()
        except Exception as error:  # the errors of remote stores share no base
            fail(row, "read", "missing_audio", f"{path}: {_reason(error)}")
        else:
            self.bytes_read += size

    def _rows(self) -> Iterator[tuple[Row, str | None]]:
        if self._lines is None:
            for position, name in enumerate(self._shard.files):
                stem = printable(name.removesuffix(PurePosixPath(name).suffix))
                yield new_row(self._shard.name, position, stem.replace("/", "--")), f"{self._shard.url}/{name}"
            return
        offset, length, first = self._shard.lines
        self._lines.seek(offset)
        data = self._lines.read(length)
        self.bytes_read += length
        position = 0
        for number, line in enumerate(data.split(b"\n"), start=first):
            if line.strip():
                yield self._line(position, number, line)
                position += 1

    def _line(self, position: int, number: int, line: bytes) -> tuple[Row, str | None]:
        row = new_row(self._shard.name, position, f"{self._shard.name}~line{number}")
        where = f"{self._shard.url}, line {number}"
        try:
            data = json.loads(line.decode("utf-8"))
        except (ValueError, RecursionError) as error:
            return fail(row, "read", "invalid_json", f"{where}: {error}"), None
        if not isinstance(data, dict):
            return fail(row, "read", "invalid_json", f"{where}: not a JSON object"), None
        wrong = [name for name in ("index", "wav") if not isinstance(data.get(name), str)]
        wrong += [n for n in ("text", "language", "speaker") if not isinstance(data.get(n), (str, type(None)))]
        if wrong:
            return fail(row, "read", "missing_field", f"{where}: {', '.join(wrong)} must be text"), None
        row["utterance_id"] = printable(data["index"])
        row.update({name: _printable_or_none(data.get(name)) for name in ("text", "language", "speaker")})
        row["language"] = (row["language"] or "").strip().lower() or None  # as of a tar's JSON
        return row, _beside(self._shard.url, data["wav"])


def _printable_or_none(value: Any) -> str | None:
    return None if value is None else printable(value)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _beside(jsonl: str, wav: str) -> str:
    """A path in a JSONL file is relative to that file."""
    if is_url(wav) or wav.startswith(("/", "file://")):
        return wav
    return f"{jsonl.rpartition('/')[0]}/{wav.removeprefix('./')}"
