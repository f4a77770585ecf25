"""The same shard always gives the same chunks, whatever of it is on disk already."""

from collections.abc import Container

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.emilia import fail, new_row, reject
from manifests.tar_shard import Entry
from pipeline.chunks import CHUNK, Chunk, cut_chunks


def entries(sizes: list[int], skip: Container[int] = ()) -> list[Entry]:
    return [
        Entry(None if position in skip else new_row("s", position, f"u{position}"), size)
        for position, size in enumerate(sizes)
    ]


def cut(sizes: list[int], clips: int, size: int, skip: Container[int] = (), limit: int | None = None) -> list[Chunk]:
    return list(cut_chunks("s", entries(sizes, skip), clips, size, limit))


def test_by_count() -> None:
    found = cut([1] * 7, clips=3, size=100)
    assert [(c.start, c.rows, len(c.clips), c.shard_rows) for c in found] == [
        (0, 3, 3, None),
        (3, 3, 3, None),
        (6, 1, 1, 7),
    ]


def test_by_bytes() -> None:
    found = cut([4, 4, 4, 20, 1, 9, 1], clips=100, size=10)
    assert [(c.start, c.rows) for c in found] == [(0, 2), (2, 1), (3, 1), (4, 2), (6, 1)]
    assert [c.shard_rows for c in found] == [None] * 4 + [7]


def test_a_shard_without_utterances_is_told_too() -> None:
    (only,) = cut([], 3, 10)
    assert (only.start, only.rows, only.clips, only.shard_rows) == (0, 0, [], 0)


def test_what_is_on_disk_is_left_out_but_counted() -> None:
    found = cut([1] * 7, 3, 100, skip={0, 1, 2, 4})
    assert [(c.start, c.rows, [row["position"] for row in c.clips]) for c in found] == [(3, 3, [3, 5]), (6, 1, [6])]
    (last,) = cut([1] * 7, 3, 100, skip=range(7))
    assert (last.start, last.clips, last.shard_rows) == (6, [], 7)


def test_a_limit_leaves_the_number_of_rows_open() -> None:
    found = cut([1] * 7, 3, 100, limit=4)
    assert [(c.start, [row["position"] for row in c.clips]) for c in found] == [(0, [0, 1, 2]), (3, [3])]
    assert all(c.shard_rows is None for c in found)
    assert cut([1] * 7, 3, 100, limit=0) == []
    assert cut([1] * 7, 3, 100, limit=7)[-1].shard_rows == 7
    assert cut([1] * 7, 3, 100, limit=4, skip={3})[-1].start == 0


sizes = st.lists(st.integers(0, 30), max_size=40)


@given(sizes, st.integers(1, 9), st.integers(1, 60), st.sets(st.integers(0, 40)), st.none() | st.integers(0, 45))
def test_chunks_do_not_depend_on_what_is_skipped_or_on_a_limit(
    all_sizes: list[int], clips: int, size: int, skip: set[int], limit: int | None
) -> None:
    whole = cut(all_sizes, clips, size)
    assert [row["position"] for c in whole for row in c.clips] == list(range(len(all_sizes)))
    assert whole[-1].shard_rows == len(all_sizes) == sum(c.rows for c in whole)
    home = {row["position"]: c.start for c in whole for row in c.clips}
    some = cut(all_sizes, clips, size, skip, limit)
    wanted = [p for p in range(len(all_sizes)) if p not in skip and (limit is None or p < limit)]
    assert [row["position"] for c in some for row in c.clips] == wanted
    assert all(home[row["position"]] == c.start for c in some for row in c.clips)
    assert len({c.start for c in some}) == len(some)
    if limit is None or limit >= len(all_sizes):
        assert some[-1].shard_rows == len(all_sizes)
    for c in whole:
        assert c.rows <= clips
        assert c.rows <= 1 or sum(all_sizes[c.start : c.start + c.rows]) <= size


@pytest.mark.parametrize("clips", [[], ["pending", "failed", "rejected"]])
def test_through_arrow_and_back(clips: list[str]) -> None:
    rows = [new_row("s", i, f"u{i}") for i in range(len(clips))]
    for row, outcome in zip(rows, clips, strict=True):
        if outcome == "pending":
            row.update(audio=b"\0\1", text="caf\u00e9 \0", quality={"dnsmos": 3.25}, stated_duration_s=1.0)
        elif outcome == "failed":
            fail(row, "read", "missing_json", "why \ud800")
        else:
            reject(row, "decode", "too_long", 2400.0)
    chunk = Chunk("s", 0, len(rows), rows, shard_rows=9, bytes_read=1 << 40, note="n")
    table = chunk.to_table()
    assert table.schema.equals(CHUNK)
    (back,) = Chunk.from_table(pa.concat_tables([table]))
    assert (back.shard, back.start, back.rows, back.shard_rows, back.bytes_read, back.note, back.error) == (
        "s",
        0,
        len(rows),
        9,
        1 << 40,
        "n",
        None,
    )
    for row, same in zip(rows, back.clips, strict=True):
        expected = {k: v for k, v in row.items() if k not in ("stated_duration_s", "quality")}
        assert {k: same[k] for k in expected} == expected
        assert (same["quality"] or {}).get("dnsmos") == (row.get("quality") or {}).get("dnsmos")
