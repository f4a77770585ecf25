"""Selecting in turns gives what the plain loop gives, clip by clip, and the reason of every clip that it leaves is true."""

from collections import Counter
from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import selection
from pipeline.selection import look_at_best, select
from tests.pipeline.small_run import Row

CLASSES = 3


@pytest.fixture(autouse=True, scope="module")
def looking_short() -> Iterator[None]:
    """So that a class of a few clips must look further than its best."""
    before, selection.LOOK = selection.LOOK, -3
    yield
    selection.LOOK = before


clips = st.builds(
    dict,
    **{
        "class": st.integers(0, CLASSES - 1),
        "priority": st.one_of(st.none(), st.sampled_from([0.0, 0.25, 0.5])),
        "tie": st.integers(0, 3),
        "source_id": st.one_of(st.none(), st.sampled_from("abcd")),
        "text": st.one_of(st.none(), st.sampled_from(["Yes.", "yes", "No!", "…", "好。", "好"])),
    },
)
KEYS = {"Yes.": "yes", "yes": "yes", "No!": "no", "…": None, "好。": "好", "好": "好", None: None}


def best_first(row: Row) -> tuple[bool, float, int, str]:
    return (row["priority"] is None, -(row["priority"] or 0.0), row["tie"], row["utterance_id"])


def plain_loop(
    rows: list[Row],
    room: list[int],
    occupied: list[tuple[str | None, str | None]],
    drawn: set[int],
    limits: tuple[int, int],
) -> set[int]:
    per_source, per_text = limits
    sources, texts = Counter(s for s, _ in occupied), Counter(t for _, t in occupied)
    taken: set[int] = set()
    left = list(room)
    for row in sorted(rows, key=best_first):
        source, text = row["source_id"], KEYS[row["text"]]
        if (
            row["rid"] not in drawn
            and left[row["class"]] > 0
            and (source is None or sources[source] < per_source)
            and (text is None or texts[text] < per_text)
        ):
            taken.add(row["rid"])
            left[row["class"]] -= 1
            sources[source] += 1
            texts[text] += 1
    return taken


def in_turns(
    rows: list[Row],
    room: list[int],
    occupied: list[tuple[str | None, str | None]],
    drawn: set[int],
    limits: tuple[int, int],
) -> tuple[set[int], dict[int, str]]:
    text, number, real = pa.string(), pa.int64(), pa.float64()
    types = {"rid": number, "class": number, "priority": real, "tie": number, "utterance_id": text}
    schema = pa.schema([*types.items(), ("source_id", text), ("text", text), ("nth", number)])
    table = []
    for n in range(CLASSES):
        members = sorted((row for row in rows if row["class"] == n), key=best_first)
        table += [{**row, "nth": nth} for nth, row in enumerate(members, 1)]
    with duckdb.connect() as db:
        db.register("scored", pa.Table.from_pylist(table, schema=schema))
        db.execute("CREATE VIEW candidates AS SELECT rid, class, nth FROM scored")
        db.register("strata", pa.table({"class": range(CLASSES), "room": room}))
        pairs = {"source_id": [s for s, _ in occupied], "text_key": [t for _, t in occupied]}
        db.register("occupied", pa.table({name: pa.array(values, text) for name, values in pairs.items()}))
        db.register("drawn", pa.table({"rid": pa.array(sorted(drawn), number)}))
        look_at_best(db)
        select(db, per_source=limits[0], per_text=limits[1])
        picked = {rid for (rid,) in db.execute("SELECT rid FROM picked").fetchall()}
        return picked, dict(db.execute("SELECT rid, reason FROM passed_over").fetchall())


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(clips, max_size=30),
    room=st.lists(st.integers(0, 5), min_size=CLASSES, max_size=CLASSES),
    occupied=st.lists(st.tuples(st.sampled_from([None, "a", "b"]), st.sampled_from([None, "yes", "好"])), max_size=3),
    limits=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    data=st.data(),
)
def test_the_turns_give_what_the_plain_loop_gives(
    rows: list[Row],
    room: list[int],
    occupied: list[tuple[str | None, str | None]],
    limits: tuple[int, int],
    data: st.DataObject,
) -> None:
    rows = [{**row, "rid": n, "utterance_id": f"u{n:03d}"} for n, row in enumerate(rows)]
    drawn = data.draw(st.sets(st.sampled_from([row["rid"] for row in rows]), max_size=4)) if rows else set()
    expected = plain_loop(rows, room, occupied, drawn, limits)
    picked, reasons = in_turns(rows, room, occupied, drawn, limits)
    assert picked == expected
    # Every reason is what has no room in the end.
    taken = [row for row in rows if row["rid"] in picked]
    full = Counter(row["class"] for row in taken)
    sources = Counter([s for s, _ in occupied] + [row["source_id"] for row in taken])
    texts = Counter([t for _, t in occupied] + [KEYS[row["text"]] for row in taken])
    for row in rows:
        if row["rid"] in picked or row["rid"] in drawn:
            assert row["rid"] not in reasons
        elif full[row["class"]] < room[row["class"]]:  # of a full class not all are looked at
            full_source = row["source_id"] is not None and sources[row["source_id"]] >= limits[0]
            assert reasons[row["rid"]] == ("over_source_limit" if full_source else "over_text_limit")
            assert full_source or texts[KEYS[row["text"]]] >= limits[1]


def test_a_long_chain_of_clips_that_stand_in_each_others_way() -> None:
    """Each clip shares its source with the next one, and its text with the one before."""
    rows = [
        {
            "rid": n,
            "class": 0,
            "priority": -float(n),
            "tie": 0,
            "utterance_id": f"u{n:03d}",
            "source_id": f"s{(n + 1) // 2}",
            "text": f"t{n // 2}",
        }
        for n in range(60)
    ]
    KEYS.update({row["text"]: row["text"] for row in rows})
    expected = plain_loop(rows, [100, 0, 0], [], set(), (1, 1))
    picked, _ = in_turns(rows, [100, 0, 0], [], set(), (1, 1))
    assert picked == expected and len(picked) == 30
