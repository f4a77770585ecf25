"""People in a release are pseudonyms that say nothing."""

import datetime as dt
import itertools
from typing import Any

import pyarrow as pa

from manifests.review import ANSWER
from pipeline.release.people import detailed_rows, pseudonyms


def said(person: str, slot: str = "A", **more: Any) -> dict[str, Any]:
    return {
        "slot": slot,
        "annotator": f"{person}@example.org",
        "answer": "sad",
        "second_emotion": None,
        "intensity": 3,
        "confidence": None,
        "note": f"{person} says so",
        "reason": f"{person} thinks so",
        "lead_time_s": 4.0,
        "created_at": dt.datetime(2026, 1, 2, tzinfo=dt.timezone.utc),
        "flags": ["too_fast"],
        "counts": False,
        **more,
    }


def column(answers: list[list[dict[str, Any]]]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(answers, pa.list_(ANSWER))])


def test_each_person_has_one_name_for_the_whole_release() -> None:
    people = [f"p{n}" for n in range(30)]
    answers = column([[said(a), said(b, "B")] for a, b in itertools.pairwise(people)])
    names = pseudonyms(answers, seed=1)
    assert sorted(names) == sorted(f"{person}@example.org" for person in people)
    assert sorted(names.values()) == sorted(f"person-{n}" for n in range(1, 31))
    assert names == pseudonyms(answers, seed=1), "made again it is the same"
    in_order = [names[f"{person}@example.org"] for person in people]
    assert in_order != [f"person-{n}" for n in range(1, 31)], "the number says who came first"
    assert in_order != [names[person] for person in sorted(names)], "the number follows the alphabet"
    assert names != pseudonyms(answers, seed=2)


def test_every_answer_without_free_text_and_time_of_day() -> None:
    clip = {"utterance_id": "u", "emotion": "sad", "status": "verified", "language": "en", "arm": None, "policy": None}
    answers = [said("ann"), said("bob", "B", flags=[], counts=True)]
    (row,) = detailed_rows([{**clip, "answers": answers}], pseudonyms(column([answers]), 0))
    assert list(row) == ["index", "emotion", "status", "language", "arm", "policy", "answers"]
    assert [answer["counts"] for answer in row["answers"]] == [False, True]
    assert row["answers"][0]["flags"] == ["too_fast"]
    assert all("person-" in answer["person"] for answer in row["answers"])
    text = str(row)
    assert not any(word in text for word in ("ann", "bob", "says so", "thinks so", "2026", "@"))
