"""The answers behind a release, with people as pseudonyms."""

import random
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_SAID = ("slot", "person", "answer", "second_emotion", "intensity", "confidence", "lead_time_s", "flags", "counts")
"""Of an answer. Free text stays behind, since it may name people, and so does the time of day."""


def pseudonyms(answers: pa.ChunkedArray, seed: int) -> dict[str, str]:
    """A name for each person who gave an answer: ``person-1``, ``person-2``, … in an order that says nothing.

    They are the same throughout a release, and made again with it. Another release may give other names to the same people.

    Parameters
    ----------
    answers : lists of ANSWER, in an order that depends on the release alone
    """
    people = pc.struct_field(pc.list_flatten(answers), "annotator").unique().to_pylist()
    random.Random(seed).shuffle(people)
    return {person: f"person-{number}" for number, person in enumerate(people, 1)}


def detailed_rows(clips: Iterable[Mapping[str, Any]], names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Lines of ``labels_detailed.jsonl``: each clip with every answer to it, those that did not count too.

    Parameters
    ----------
    clips : utterance_id, emotion, status, language, arm, policy, and answers (ANSWER)
    names : pseudonym by person
    """
    for clip in clips:
        said = [{**row, "person": names[row["annotator"]]} for row in clip["answers"]]
        yield {
            "index": clip["utterance_id"],
            **{name: clip[name] for name in ("emotion", "status", "language", "arm", "policy")},
            "answers": [{name: row[name] for name in _SAID} for row in said],
        }
