"""Splitting a data set that is a JSONL of ``index, emotion, wav, text``, with or without its audio."""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from manifests.errors import InputError
from manifests.groups import GROUP_ROWS, KEYS, Key
from manifests.ids import parse_emilia_id
from manifests.release import sha256_of
from manifests.split_report import SplitReport
from manifests.splits import SPLITS, assign, parse_ratios
from manifests.storage import Store

Listener = Callable[[int, int], None]
"""Called with the number of audio files read and the number in all."""


@dataclass(frozen=True, slots=True)
class SplitFiles:
    """What was written."""

    report: SplitReport
    files: dict[str, str]  # by split
    audio_missing: int  # rows whose audio is not there, and so was not compared

    def to_json(self) -> dict[str, Any]:
        return {**self.report.to_json(), "files": self.files, "audio_missing": self.audio_missing}


def split_file(
    path: Path,
    out: Path,
    ratios: str,
    seed: int = 0,
    *,
    by: Collection[Key] = KEYS,
    listener: Listener = lambda done, total: None,
) -> SplitFiles:
    """Write ``OUT/NAME.train.jsonl``, ``.validation.jsonl``, ``.test.jsonl`` and ``NAME.splits.json``.

    The lines stay byte for byte and in their order. Language and source are those of the row, or else those that an Emilia id
    names. Audio is compared where the files that ``wav`` names are there. Files of an earlier split of this name are replaced.

    Raises
    ------
    InputError : the file cannot be read, or a line is not such a row
    SplitError : ``ratios`` make no whole, or an id is there twice
    StorageError : the files cannot be written
    """
    parts = parse_ratios(ratios)
    lines, rows, wavs = _read(path)
    missing = _add_audio(rows, path.parent, wavs, listener)
    splits = assign(pa.Table.from_pylist(rows, schema=GROUP_ROWS), parts, seed, by=by)
    ids, of = (splits.table[name].to_pylist() for name in ("utterance_id", "split"))
    split_of = dict(zip(ids, of, strict=True))
    store, stem = Store(str(out)), path.name.removesuffix(".jsonl")
    store.ensure()
    # A file that an earlier split left behind would hold rows that are elsewhere now.
    for name in (f"{stem}.splits.json", *(f"{stem}.{split}.jsonl" for split in SPLITS)):
        store.delete(name)
    files = {}
    for split in parts:
        members = [line for line, row in zip(lines, rows, strict=True) if split_of[row["utterance_id"]] == split]
        if members:
            files[split] = f"{stem}.{split}.jsonl"
            store.write_bytes(files[split], b"".join(line + b"\n" for line in members))
    found = SplitFiles(splits.report, files, missing)
    text = json.dumps(found.to_json(), ensure_ascii=False, allow_nan=False, indent=1)
    store.write_text(f"{stem}.splits.json", text + "\n")
    return found


def _read(path: Path) -> tuple[list[bytes], list[dict[str, Any]], list[str | None]]:
    """The lines that hold a row, each without its end; the rows of GROUP_ROWS; and what they say of their audio."""
    lines, rows, wavs = [], [], []
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                line = line.removeprefix(b"\xef\xbb\xbf" if number == 1 else b"").strip()
                if not line:
                    continue
                row = _row(line, f"{path}, line {number}")
                lines.append(line)
                rows.append(_group_row(row))
                wavs.append(row.get("wav"))
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}. Check its path") from error
    if not rows:
        raise InputError(f"{path} holds no rows. Give a JSONL with index, emotion, wav and text")
    return lines, rows, wavs


def _row(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not valid JSON ({error}). Every row must be one JSON object on one line") from None
    if not isinstance(row, dict):
        raise InputError(f"{where}: not a JSON object")
    if not row.get("index"):
        raise InputError(f"{where}: the row has no 'index'")
    if not row.get("emotion"):
        raise InputError(f"{where}: the row has no 'emotion'")
    for name in ("index", "emotion", "wav", "text", "language", "source_id", "speaker"):
        value = row.get(name)
        if value is not None and not isinstance(value, str):
            raise InputError(f"{where}: '{name}' must be a text, and is {value!r:.80}")
        if value is not None and any("\ud800" <= letter <= "\udfff" for letter in value):
            raise InputError(
                f"{where}: '{name}' holds half a character (a lone surrogate). Write the file again in UTF-8"
            )
    return row


def _group_row(row: dict[str, Any]) -> dict[str, Any]:
    emilia = parse_emilia_id(row["index"])
    language = row.get("language") or (emilia.language if emilia else None)
    return {
        "utterance_id": row["index"],
        "emotion": row["emotion"],
        "language": language and language.lower(),
        "source_id": row.get("source_id") or (emilia.source_id if emilia else None),
        "speaker": row.get("speaker"),
        "text": row.get("text"),
    }


def _add_audio(rows: list[dict[str, Any]], folder: Path, wavs: list[str | None], listener: Listener) -> int:
    """Give each row the hash of its audio file; returns how many have none that is there."""
    missing = 0
    for done, (row, wav) in enumerate(zip(rows, wavs, strict=True), start=1):
        path = folder / wav if wav and "\x00" not in wav else None
        try:
            if path is None or not path.is_file():
                missing += 1
                continue
            row["audio_sha256"] = sha256_of(path)
        except OSError as error:
            raise InputError(f"{path} cannot be read: {error.strerror or error}. Check its permissions") from error
        listener(done, len(rows))
    return missing
