"""The clips that both experts answered, as arrays."""

import datetime as dt
from dataclasses import dataclass, fields, replace
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from manifests.emotions import CLASSES
from manifests.review import ESCAPES

EMOTIONS: tuple[str, ...] = tuple(str(emotion) for emotion in CLASSES)
CATEGORIES: tuple[str, ...] = (*EMOTIONS, *ESCAPES)
"""What an expert may answer; the position is the code."""

SOURCE = "coalesce('source ' || {0}.source_id, 'clip ' || {0}.utterance_id)"
"""SQL for the recording of a clip: one that names none is its own, and cannot be mistaken for another's."""

_PAIRS = f"""
SELECT
    list_position($categories, a.answer) - 1 AS a,
    list_position($categories, b.answer) - 1 AS b,
    dense_rank() OVER (ORDER BY {SOURCE.format("a")}) - 1 AS source,
    a.annotator AS person_a,
    b.annotator AS person_b,
    a.arm AS arm,
    a.language AS language,
    a.machine_emotion AS machine,
    a.show_machine::INTEGER + b.show_machine::INTEGER AS shown,
    greatest(a.created_at, b.created_at) AS answered_at,
    a.utterance_id AS utterance_id
FROM judged a JOIN judged b USING (utterance_id)
WHERE a.slot = 'A' AND b.slot = 'B' AND a.counts AND b.counts AND a.arm IS DISTINCT FROM 'gold'
ORDER BY utterance_id
"""


@dataclass(frozen=True, slots=True)
class Pairs:
    """One element for each clip with a counted answer in both slots; gold items are apart."""

    a: npt.NDArray[np.int64]  # position in CATEGORIES
    b: npt.NDArray[np.int64]
    source: npt.NDArray[np.int64]
    people: tuple[str, ...]  # everybody, by name
    person_a: npt.NDArray[np.int64]  # position in people
    person_b: npt.NDArray[np.int64]
    arm: npt.NDArray[np.object_]
    language: npt.NDArray[np.object_]  # None: not given
    machine: npt.NDArray[np.object_]  # the consensus of the voters, None where there is none
    shown: npt.NDArray[np.int64]  # how many of the two saw the machine's label
    monday: npt.NDArray[np.datetime64]  # first day of the week of the later answer, UTC
    utterance_id: npt.NDArray[np.object_]

    @classmethod
    def of(cls, judged: pa.Table) -> "Pairs":
        """From JUDGED."""
        with duckdb.connect() as db:
            db.register("judged", judged)
            table = db.sql(_PAIRS, params={"categories": list(CATEGORIES)}).to_arrow_table()
        columns: dict[str, Any] = {name: table[name].to_numpy() for name in ("a", "b", "source", "shown")} | {
            name: np.array(table[name].to_pylist(), dtype=object)
            for name in ("arm", "language", "machine", "utterance_id")
        }
        people = tuple(sorted({*table["person_a"].to_pylist(), *table["person_b"].to_pylist()}))
        position = {person: n for n, person in enumerate(people)}
        for name in ("person_a", "person_b"):
            columns[name] = np.array([position[person] for person in table[name].to_pylist()], dtype=np.int64)
        instants = table["answered_at"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
        days = instants // 86_400_000_000
        mondays = (days + 3) // 7 * 7 - 3  # 1970-01-01 was a Thursday
        return cls(**columns, people=people, monday=mondays.astype("datetime64[D]"))

    def __len__(self) -> int:
        return len(self.a)

    def where(self, mask: npt.NDArray[np.bool_]) -> "Pairs":
        """The clips of the mask, (clips,); ``people`` stay all."""
        arrays = (field.name for field in fields(self) if field.name != "people")
        return replace(self, **{name: getattr(self, name)[mask] for name in arrays})


def iso_week(monday: np.datetime64) -> str:
    """``2026-W03`` for the Monday it starts on."""
    year, week, _ = dt.date.fromisoformat(str(monday)).isocalendar()
    return f"{year}-W{week:02d}"
