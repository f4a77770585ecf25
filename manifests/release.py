"""The files of a data set in EMO-Emilia's form: a table with ``index, emotion, wav, text``, and the provenance beside it."""

import hashlib
import json
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

RELEASE_VERSION = 1
_ROWS_AT_ONCE = 65_536

COLUMNS = ("index", "emotion", "wav", "text")
"""Exactly these keys in exactly this order, as EMO-Emilia publishes them."""


def release_row(utterance_id: str, emotion: str, text: str | None) -> dict[str, str]:
    """One row of the table; a clip without text gets an empty one."""
    return {"index": utterance_id, "emotion": emotion, "wav": f"./wav/{utterance_id}.wav", "text": text or ""}


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]]) -> None:
    """One JSON object to a line, UTF-8, keys in the order of the dicts."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n")


def write_parquet(path: Path, rows: Iterable[dict[str, str]]) -> None:
    """The same table as Parquet."""
    schema = pa.schema(
        [(name, pa.string()) for name in COLUMNS], metadata={"emotrove.release_version": str(RELEASE_VERSION)}
    )
    left = iter(rows)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        while part := list(islice(left, _ROWS_AT_ONCE)):
            writer.write_table(pa.Table.from_pylist(part, schema=schema))


def sha256_of(path: Path) -> str:
    """Of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
