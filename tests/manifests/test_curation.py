"""What becomes of each clip: every pair of answers with every adjudication, against the rules told in plain Python."""

import datetime as dt
import itertools
import random
import time
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests.answers import judged
from manifests.curation import REASONS, curate
from manifests.emotions import CLASSES
from manifests.review import ADJUDICATION, CURATED, ESCAPES, JUDGED, NO_AGREEMENT, ROUTES, SLOTS, STATUSES, UNUSABLE
from manifests.run_folder import encode_parquet
from tests.manifests.test_answers import Answers
from tests.manifests.test_answers import routes as three_routes
from tests.manifests.test_answers import tasks as their_tasks

NAMES = [str(emotion) for emotion in CLASSES]
NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.timezone.utc)
Given = tuple[str | None, str | None, str | None]
"""What A, B and the adjudicator said; None where there is no answer that counts."""


def expected(a: str | None, b: str | None, settled: str | None) -> tuple[str, str | None, str | None]:
    """Status, reason and emotion by the rules."""
    if a is None or b is None:
        return "pending", "no_answer" if a == b else "one_answer", None
    if a == b and a in NAMES:
        return "verified", None, a
    if a in UNUSABLE and b in UNUSABLE:
        return "unusable", "+".join(sorted({a, b})), None
    if a == b == "unsure":
        return "no_agreement", "both_unsure", None
    if settled is None:
        return "pending", "conflict", None
    if settled in NAMES:
        return "adjudicated", None, settled
    if settled in UNUSABLE:
        return "unusable", settled, None
    return "no_agreement", f"adjudicator_{settled}", None


def route(n: int, **more: Any) -> dict[str, Any]:
    return {
        "utterance_id": f"u{n:06d}",
        "shard": "EN-0",
        "position": n,
        "decision": "review",
        "reason": "selected",
        "arm": "selected",
        "policy": "disagreement",
        "language": "en",
        "emotion": "sad",
        "source_id": f"s{n}",
        "duration_s": 2.0,
        "round": 0,
        "seed": 0,
        **more,
    }


def answer(n: int, slot: str, said: str | None, seq: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "seq": seq,
        "slot": slot,
        "project_id": SLOTS.index(slot),
        "task_id": n,
        "annotation_id": 10 * n + SLOTS.index(slot),
        "utterance_id": f"u{n:06d}",
        "state": "submitted",
        "annotator": f"{slot.lower()}@example.org",
        "answer": said,
        "reason": "it is" if slot == ADJUDICATION else None,
        "lead_time_s": 4.0,
        "created_at": NOON + dt.timedelta(seconds=n),
        "updated_at": NOON,
        "flags": [],
        "counts": True,
        **more,
    }


def tables(given: list[Given]) -> tuple[pa.Table, pa.Table]:
    said = [
        answer(n, slot, what)
        for n, row in enumerate(given)
        for slot, what in zip(SLOTS, row, strict=True)
        if what is not None
    ]
    return (
        pa.Table.from_pylist([route(n) for n in range(len(given))], schema=ROUTES),
        pa.Table.from_pylist(said, schema=JUDGED),
    )


def every_case() -> list[Given]:
    experts = [*NAMES, *ESCAPES, None]
    return list(itertools.product(experts, experts, [*experts, NO_AGREEMENT]))


def test_every_pair_of_answers_with_every_adjudication() -> None:
    given = every_case()
    assert len(given) == 12 * 12 * 13
    found = curate(*tables(given))
    assert found.schema.equals(CURATED, check_metadata=True)
    rows = found.to_pylist()
    assert [row["utterance_id"] for row in rows] == [f"u{n:06d}" for n in range(len(given))]
    for said, row in zip(given, rows, strict=True):
        assert (row["status"], row["reason"], row["emotion"]) == expected(*said), said
    assert {row["status"] for row in rows} == set(STATUSES)
    assert {row["reason"] for row in rows} - {None} == set(REASONS), "a reason is not told, or cannot come about"


def test_an_answer_that_does_not_count_is_shown_and_does_not_count() -> None:
    routes = pa.Table.from_pylist([route(0)], schema=ROUTES)
    said = [
        answer(0, "B", "sad", annotation_id=5),
        answer(0, "B", "happy", annotation_id=4, flags=["too_fast"], counts=False),
        answer(0, "A", "happy", annotation_id=3, note="a sigh", intensity=4),
        answer(0, ADJUDICATION, "happy", annotation_id=9, flags=["adjudicator_answered"], counts=False),
    ]
    (row,) = curate(routes, pa.Table.from_pylist(said, schema=JUDGED)).to_pylist()
    assert (row["status"], row["reason"], row["emotion"]) == ("pending", "conflict", None)
    assert [(a["slot"], a["answer"], a["counts"]) for a in row["answers"]] == [
        ("A", "happy", True),
        ("B", "happy", False),
        ("B", "sad", True),
        (ADJUDICATION, "happy", False),
    ]
    assert row["answers"][0]["note"] == "a sigh" and row["answers"][0]["intensity"] == 4
    assert row["answers"][0]["created_at"] == NOON and row["answers"][1]["flags"] == ["too_fast"]
    assert row["machine_emotion"] == "sad" and row["policy"] == "disagreement" and row["source_id"] == "s0"


def test_a_clip_without_any_answer() -> None:
    routes = pa.Table.from_pylist([route(0, arm="gold", gold_emotion="angry", emotion=None)], schema=ROUTES)
    (row,) = curate(routes, JUDGED.empty_table()).to_pylist()
    assert (row["status"], row["reason"], row["answers"]) == ("pending", "no_answer", [])
    assert (row["arm"], row["gold_emotion"], row["machine_emotion"]) == ("gold", "angry", None)


def test_an_answer_to_a_clip_that_is_not_in_review_makes_no_row() -> None:
    said = pa.Table.from_pylist([answer(7, "A", "sad"), answer(7, "B", "sad", utterance_id=None)], schema=JUDGED)
    assert curate(ROUTES.empty_table(), said).num_rows == 0


def test_one_person_in_both_slots_verifies_nothing() -> None:
    answers = Answers()
    answers.add("A", 0, "ann", "sad")
    answers.add("B", 0, "ann", "sad")
    found = curate(three_routes(), judged(three_routes(), their_tasks(), answers.table()))
    assert found["status"].to_pylist() == ["pending"] * 3
    assert found["reason"].to_pylist() == ["one_answer", "no_answer", "no_answer"]
    answers.add("B", 0, "bob", "sad")
    found = curate(three_routes(), judged(three_routes(), their_tasks(), answers.table()))
    assert found["status"].to_pylist() == ["verified", "pending", "pending"]


def test_the_same_bytes_whatever_the_order_of_the_rows() -> None:
    routes, answers = tables(every_case())
    first = encode_parquet(curate(routes, answers))
    for seed in range(3):
        mixed = random.Random(seed)
        # In pieces of odd sizes, as files of many pulls are.
        shuffled = answers.take(mixed.sample(range(answers.num_rows), answers.num_rows))
        pieces = pa.concat_tables([shuffled.slice(0, 700), shuffled.slice(700, 1), shuffled.slice(701)])
        assert encode_parquet(curate(routes.take(mixed.sample(range(len(routes)), len(routes))), pieces)) == first


def test_a_hundred_thousand_clips_take_seconds() -> None:
    routes, answers = tables(every_case())
    copies = 54
    ids = [f"{copy:02d}" for copy in range(copies)]

    def many(table: pa.Table) -> pa.Table:
        name = table.schema.get_field_index("utterance_id")
        field = table.schema.field(name)
        return pa.concat_tables(
            table.set_column(name, field, pc.binary_join_element_wise(table["utterance_id"], copy, "-")) for copy in ids
        )

    routes, answers = many(routes), many(answers)
    assert routes.num_rows > 100_000
    before = time.perf_counter()
    found = curate(routes, answers)
    assert found.num_rows == routes.num_rows
    assert time.perf_counter() - before < 30
