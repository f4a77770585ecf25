"""What a run folder says of itself: every shard reconciled, every loss named."""

import sys
from collections.abc import Container, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.dataset

from manifests.lease import is_live
from manifests.run_folder import RunFolder, ShardCounts
from manifests.schema import OUTCOMES


@dataclass(frozen=True, slots=True)
class Status:
    """The account of a run. ``unreconciled`` holds a line for every shard whose files contradict its marker."""

    run: str
    shards: int
    done: int
    in_progress: int
    not_started: int
    unreadable: dict[str, str]
    rows: int
    labeled: int
    rejected: int
    failed: int
    audio_hours: float
    duplicates: int | None  # None: not searched for yet
    reasons: list[dict[str, Any]]
    emotions: dict[str, int]
    features: dict[str, int]  # rows of utterance features by annotator
    notes: dict[str, str]
    unreconciled: list[str]
    working_now: bool

    @property
    def complete(self) -> bool:
        return self.done == self.shards and not self.unreconciled

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "complete": self.complete}


def status(run: RunFolder) -> Status:
    """Compare what the markers say with the rows that are there.

    The rows are counted by DuckDB from the files themselves, so a file that was lost, doubled or cut after its shard was
    marked shows.

    Raises
    ------
    RunFolderError : this is no run folder
    """
    shards = [shard.name for shard in run.shards()]
    markers = {counts.shard: counts for counts in run.done()}
    found: dict[str, dict[str, int]] = {}
    audio_s = 0.0
    damaged: set[str] = set()
    try:
        per_shard, reasons, emotions = _counted(run.dataset())
        features = _features(run)
    except (duckdb.Error, pa.ArrowException, OSError):
        damaged = run.damaged()
        per_shard, reasons, emotions = _counted(run.dataset(but=damaged))
        features = _features(run, damaged)
    unreconciled = [f"{name} is damaged and cannot be read" for name in sorted(damaged)]
    for shard, outcome, rows, positions, seconds in per_shard:
        found.setdefault(shard, dict.fromkeys(OUTCOMES, 0))[outcome] = rows
        audio_s += seconds
        if rows != positions:
            unreconciled.append(f"{shard}: {rows - positions} rows are there twice")
    unreconciled += list(_contradictions(markers, found, shards))
    unreconciled += list(_features_amiss(features, markers))
    unreadable = run.unreadable()
    totals = {outcome: sum(counts[outcome] for counts in found.values()) for outcome in OUTCOMES}
    duplicates = run.duplicates()
    return Status(
        run=str(run),
        shards=len(shards),
        done=len(markers),
        in_progress=len(found.keys() - markers.keys()),
        not_started=len(set(shards) - found.keys() - markers.keys() - unreadable.keys()),
        unreadable=unreadable,
        rows=sum(totals.values()),
        **totals,
        audio_hours=audio_s / 3600,
        duplicates=None if duplicates is None else duplicates.num_rows,
        reasons=[{"outcome": o, "stage": s, "reason": r, "count": n} for o, s, r, n in reasons],
        emotions=dict(emotions),
        features={name: sum(rows for rows, _ in counts.values()) for name, counts in features.items()},
        notes={name: counts.note for name, counts in markers.items() if counts.note},
        unreconciled=unreconciled,
        working_now=is_live(run.store),
    )


def _counted(rows: pyarrow.dataset.Dataset) -> tuple[list[Any], list[Any], list[Any]]:
    """Rows by shard and outcome, by reason, and by emotion."""
    with duckdb.connect() as db:
        db.register("labels", rows)
        per_shard = db.execute(
            "SELECT shard, outcome, count(*), count(DISTINCT position), coalesce(sum(duration_s), 0) FROM labels GROUP BY ALL"
        ).fetchall()
        reasons = db.execute(
            "SELECT outcome, stage, reason, count(*) FROM labels WHERE reason IS NOT NULL GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        emotions = db.execute(
            "SELECT consensus.emotion, count(*) FROM labels WHERE outcome = 'labeled' AND consensus.emotion IS NOT NULL "
            "GROUP BY ALL ORDER BY ALL"
        ).fetchall()
    return per_shard, reasons, emotions


def _features(run: RunFolder, damaged: Container[str] = ()) -> dict[str, dict[str, tuple[int, int]]]:
    """Rows of utterance features and their distinct positions, by annotator and shard; the values are not read."""
    found = {}
    for name in run.feature_annotators():
        with duckdb.connect() as db:
            db.register("features", run.features([name], but=damaged))
            counted = db.execute(
                "SELECT shard, count(*), count(DISTINCT position) FROM features GROUP BY ALL"
            ).fetchall()
        found[name] = {shard: (rows, positions) for shard, rows, positions in counted}
    return found


def _features_amiss(features: dict[str, dict[str, tuple[int, int]]], markers: dict[str, ShardCounts]) -> Iterator[str]:
    """In a finished shard each labelled utterance has one row of each annotator that gives features."""
    for annotator, by_shard in features.items():
        for name, counts in markers.items():
            rows, positions = by_shard.get(name, (0, 0))
            if rows != positions:
                yield f"{name}: {rows - positions} rows of the features of {annotator} are there twice"
            if positions != counts.labeled:
                yield f"{name}: {counts.labeled} are labeled, {positions} have features of {annotator}"


def _contradictions(
    markers: dict[str, ShardCounts], found: dict[str, dict[str, int]], shards: list[str]
) -> Iterator[str]:
    for name, counts in markers.items():
        there = found.get(name, dict.fromkeys(OUTCOMES, 0))
        said = {outcome: getattr(counts, outcome) for outcome in OUTCOMES}
        if not counts.reconciles:
            yield f"{name}: the marker says {counts.rows} rows in, but {said}"
        if there != said:
            yield f"{name}: the marker says {said}, the files hold {there}"
    yield from (f"{name}: has rows but is no shard of this run" for name in found.keys() - set(shards))


def failures(run: RunFolder, limit: int | None = None) -> Iterator[dict[str, Any]]:
    """The failed rows, in order of shard and position, a batch at a time."""
    run.require()
    with duckdb.connect() as db:
        db.register("labels", run.dataset(["failed"]))
        cursor = db.execute(
            "SELECT utterance_id, shard, position, stage, reason, detail, audio_uri FROM labels ORDER BY shard, position"
        )
        names = [column[0] for column in cursor.description or ()]
        left = limit if limit is not None else sys.maxsize  # not in SQL: DuckDB 2.0.0 drops some limits
        while rows := cursor.fetchmany(min(left, 1000)):
            left -= len(rows)
            yield from (dict(zip(names, row, strict=True)) for row in rows)
