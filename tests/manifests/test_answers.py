"""Which answers count."""

import datetime as dt
from itertools import count
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.answers import counted, judged
from manifests.review import ADJUDICATION, FLAGS, JUDGED, LEDGER, ROUTES, SLOTS, TASKS

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.timezone.utc)
DURATION_S = 2.0
CLIPS = 3


def routes() -> pa.Table:
    rows = [
        {"utterance_id": f"u{n}", "shard": "EN-0", "position": n, "decision": "review", "reason": "selected"}
        | {"arm": "selected", "duration_s": DURATION_S, "emotion": "sad", "source_id": f"s{n}", "round": 0, "seed": 0}
        for n in range(CLIPS)
    ]
    return pa.Table.from_pylist(rows, schema=ROUTES)


def task_id(slot: str, clip: int) -> int:
    return 100 * SLOTS.index(slot) + clip


def tasks() -> pa.Table:
    rows = [
        {"slot": slot, "utterance_id": f"u{n}", "project_id": project, "task_id": task_id(slot, n), "clip": f"c{n}"}
        | {"show_machine": False, "pushed_at": NOON}
        for project, slot in enumerate(SLOTS)
        for n in range(CLIPS)
    ]
    return pa.Table.from_pylist(rows, schema=TASKS)


class Answers:
    """A ledger in the making; every row is a second later than the one before."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self._clock = count(1)

    def add(self, slot: str, clip: int, person: str, answer: str | None, **other: Any) -> int:
        """Give an answer; returns its annotation id."""
        now = next(self._clock)
        row = {
            "seq": now,
            "slot": slot,
            "project_id": SLOTS.index(slot),
            "task_id": task_id(slot, clip),
            "annotation_id": now,
            "utterance_id": f"u{clip}",
            "state": "submitted",
            "annotator": f"{person}@example.org",
            "answer": answer,
            "reason": "the voice is flat" if slot == ADJUDICATION else None,
            "lead_time_s": 5.0,
            "created_at": NOON + dt.timedelta(seconds=now),
            "updated_at": NOON + dt.timedelta(seconds=now),
            "pulled_at": NOON,
            **other,
        }
        self.rows.append(row)
        return int(row["annotation_id"])

    def again(self, annotation_id: int, **changed: Any) -> None:
        """A later version of an answer."""
        last = [row for row in self.rows if row["annotation_id"] == annotation_id][-1]
        self.rows.append({**last, "seq": next(self._clock), **changed})

    def table(self) -> pa.Table:
        return pa.Table.from_pylist(self.rows, schema=LEDGER)

    def judged(self) -> dict[int, dict[str, Any]]:
        """Row of JUDGED by annotation id."""
        table = judged(routes(), tasks(), self.table())
        assert table.schema.equals(JUDGED)
        return {row["annotation_id"]: row for row in table.to_pylist()}

    def flags(self) -> dict[int, list[str]]:
        found = self.judged()
        assert all(row["counts"] == (not row["flags"]) for row in found.values())
        return {key: row["flags"] for key, row in found.items()}


def test_two_good_answers_count_and_carry_what_the_route_says() -> None:
    answers = Answers()
    first, second = answers.add("A", 0, "ann", "sad"), answers.add("B", 0, "bob", "angry")
    found = answers.judged()
    assert [found[key]["counts"] for key in (first, second)] == [True, True]
    assert found[first]["machine_emotion"] == "sad" and found[first]["source_id"] == "s0"
    assert found[first]["duration_s"] == DURATION_S and found[first]["arm"] == "selected"
    by_slot = counted(judged(routes(), tasks(), answers.table()))["u0"]
    assert {slot: row["answer"] for slot, row in by_slot.items()} == {"A": "sad", "B": "angry"}


def test_nothing_was_answered() -> None:
    assert judged(routes(), tasks(), Answers().table()).num_rows == 0


def test_what_an_answer_says_of_itself() -> None:
    answers = Answers()
    expected = {
        answers.add("A", 0, "ann", "joyful", unknown=["joyful"]): ["unknown_choice"],
        answers.add("A", 0, "ann", None, unknown=["joyful"]): ["unknown_choice"],
        answers.add("A", 0, "ann", "no_agreement"): ["unknown_choice"],
        answers.add("A", 0, "ann", None): ["no_answer"],
        answers.add("A", 0, "ann", None, state="skipped"): ["skipped"],
        answers.add("A", 0, "ann", "sad", lead_time_s=DURATION_S - 0.1): ["too_fast"],
        answers.add("A", 0, "ann", "sad", utterance_id=None): ["not_pushed"],
        answers.add("A", 0, "ann", "sad", task_id=77): ["not_pushed"],
        answers.add(ADJUDICATION, 0, "cy", "sad", reason=" "): ["no_reason"],
        answers.add(ADJUDICATION, 0, "cy", None, reason=None): ["no_answer", "no_reason"],
    }
    assert answers.flags() == expected


def test_a_bad_answer_does_not_take_the_place_of_a_good_one() -> None:
    answers = Answers()
    fast = answers.add("A", 0, "ann", "sad", lead_time_s=0.5)
    good = answers.add("A", 0, "ann", "happy")
    assert answers.flags() == {fast: ["too_fast"], good: []}


def test_answers_too_many() -> None:
    answers = Answers()
    expected = {
        answers.add("A", 0, "ann", "sad"): [],
        answers.add("A", 0, "ann", "angry"): ["second_answer"],
        answers.add("A", 0, "cy", "sad"): ["third_answer"],
        answers.add("B", 0, "ann", "sad"): ["same_person"],
        answers.add("B", 0, "bob", "sad"): [],
        answers.add("B", 1, "ann", "sad"): [],  # another clip
    }
    assert answers.flags() == expected


def test_who_may_adjudicate() -> None:
    answers = Answers()
    a, b = answers.add("A", 0, "ann", "sad"), answers.add("B", 0, "bob", "happy")
    gone = answers.add("B", 0, "dee", "happy")
    answers.again(gone, state="deleted")
    by_expert, by_one_who_withdrew, by_third, by_fourth = (
        answers.add(ADJUDICATION, 0, person, "no_agreement") for person in ("bob", "dee", "cy", "eve")
    )
    assert answers.flags() == {
        a: [],
        b: [],
        by_expert: ["adjudicator_answered"],
        by_one_who_withdrew: ["adjudicator_answered"],
        by_third: [],
        by_fourth: ["third_answer"],
    }


def test_the_last_version_holds_and_a_deleted_answer_makes_room() -> None:
    answers = Answers()
    first = answers.add("A", 0, "ann", "sad")
    other = answers.add("A", 0, "cy", "happy")
    assert answers.flags() == {first: [], other: ["third_answer"]}
    answers.again(first, answer="angry")
    assert answers.judged()[first]["answer"] == "angry"
    answers.again(first, state="deleted")
    assert answers.flags() == {other: []}


def test_two_servers_may_use_the_same_numbers() -> None:
    answers = Answers()
    answers.add("A", 0, "ann", "sad", annotation_id=7)
    answers.add("B", 0, "bob", "happy", annotation_id=7)
    table = judged(routes(), tasks(), answers.table())
    assert table["counts"].to_pylist() == [True, True]


def test_a_new_server_may_use_the_numbers_of_a_lost_one() -> None:
    answers = Answers()
    answers.add("A", 0, "ann", "sad", annotation_id=1)
    answers.add("A", 1, "ann", "happy", annotation_id=1, project_id=9, task_id=1)
    again = [{**tasks().to_pylist()[1], "project_id": 9, "task_id": 1}]
    table = judged(routes(), pa.concat_tables([tasks(), pa.Table.from_pylist(again, schema=TASKS)]), answers.table())
    assert [(row["answer"], row["counts"]) for row in table.to_pylist()] == [("sad", True), ("happy", True)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(SLOTS),
            st.integers(0, CLIPS - 1),
            st.sampled_from("abcd"),
            st.sampled_from(["sad", "happy", "unsure", "odd", None]),
            st.sampled_from([0.5, 5.0]),
        ),
        max_size=25,
    ),
    st.randoms(),
)
def test_what_holds_for_any_answers(given_answers: list[tuple[Any, ...]], random: Any) -> None:
    answers = Answers()
    for slot, clip, person, answer, lead_time_s in given_answers:
        answers.add(slot, clip, person, answer, lead_time_s=lead_time_s)
    table = judged(routes(), tasks(), answers.table())
    rows = table.to_pylist()
    assert len(rows) == len(given_answers), "an answer was lost or doubled"
    assert all(set(row["flags"]) <= FLAGS.keys() and row["counts"] == (not row["flags"]) for row in rows)
    seats = [(row["utterance_id"], row["slot"]) for row in rows if row["counts"]]
    people = [(row["utterance_id"], row["annotator"]) for row in rows if row["counts"]]
    assert len(seats) == len(set(seats)), "two answers count in one slot"
    assert len(people) == len(set(people)), "one person counts twice for a clip"
    shuffled = random.sample(answers.rows, len(answers.rows))
    assert judged(routes(), tasks(), pa.Table.from_pylist(shuffled, schema=LEDGER)).equals(table)
