"""The table of a data set, as EMO-Emilia publishes it."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from manifests.release import COLUMNS, release_row, write_jsonl, write_parquet

ROWS = [
    release_row("EN_B00000_S00001_W000002", "happy", 'He said:\n"yes".'),
    release_row("ZH_B0_S1_W2", "sad", "你好"),
    release_row("x", "angry", None),
]


def test_a_row_has_exactly_these_keys_in_this_order() -> None:
    row = ROWS[0]
    assert tuple(row) == COLUMNS == ("index", "emotion", "wav", "text")
    assert row["wav"] == "./wav/EN_B00000_S00001_W000002.wav"
    assert ROWS[2]["text"] == ""


def test_jsonl_is_one_object_to_a_line(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", ROWS)
    text = (tmp_path / "a.jsonl").read_bytes().decode("utf-8")
    assert text.endswith("\n") and text.count("\n") == 3 and "你好" in text and "\r" not in text
    assert [list(json.loads(line).items()) for line in text.splitlines()] == [list(row.items()) for row in ROWS]


def test_jsonl_takes_no_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        write_jsonl(tmp_path / "a.jsonl", [{"x": float("nan")}])


def test_parquet_holds_the_same(tmp_path: Path) -> None:
    write_parquet(tmp_path / "a.parquet", iter(ROWS))
    table = pq.read_table(tmp_path / "a.parquet")
    assert tuple(table.column_names) == COLUMNS and table.to_pylist() == ROWS
    write_parquet(tmp_path / "none.parquet", [])
    assert tuple(pq.read_table(tmp_path / "none.parquet").column_names) == COLUMNS
