"""Writing the rows of a chunk, so that a kill at any moment loses nothing and doubles nothing.

A chunk has up to three files, one for each outcome, with names that follow from the shard and the start alone. Rows that are
on disk already (of a run that was killed, or of one whose failures are tried again) are kept and joined by the new ones. A row
whose outcome changes leaves its old file before it enters the new one: between the two it can be missing, and is done again,
but it is never in two files.

The features of labelled utterances have a file for each annotator. It is written before the labels, so no labelled row is without
its features; those of a row that a kill kept from getting its label are replaced when the row is done again.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import pyarrow as pa

from manifests.emilia import Row
from manifests.errors import StorageError
from manifests.features import FEATURES, encode_features
from manifests.lease import is_held_by
from manifests.run_folder import RunFolder, chunk_file, encode_parquet, features_file
from manifests.schema import LABELS, OUTCOMES
from pipeline.chain import finish
from pipeline.chunks import Chunk

RECEIPT = pa.schema(
    [
        ("shard", pa.string()),
        ("start", pa.int32()),
        ("rows", pa.int32()),
        ("shard_rows", pa.int32()),
        ("labeled", pa.int32()),
        ("rejected", pa.int32()),
        ("failed", pa.int32()),
        ("new_rows", pa.int32()),
        *((f"new_{outcome}", pa.int32()) for outcome in OUTCOMES),
        ("audio_s", pa.float64()),
        ("new_audio_s", pa.float64()),
        ("bytes_read", pa.int64()),
        ("note", pa.string()),
        ("error", pa.string()),
        ("fatal", pa.string()),
    ]
)


@dataclass(frozen=True, slots=True)
class Commit:
    """Writes chunks of one run; sent to the processes that do so.

    Parameters
    ----------
    root : of the run folder
    token : of the lease under which the job runs
    features : names of the annotators that give utterance features
    """

    root: str
    token: str
    features: tuple[str, ...] = ()

    def __call__(self, table: pa.Table) -> pa.Table:
        """Commit each chunk of a ``CHUNK`` table; returns a ``RECEIPT`` table."""
        run = RunFolder(self.root)
        return pa.Table.from_pylist([self._commit(run, chunk) for chunk in Chunk.from_table(table)], schema=RECEIPT)

    def _commit(self, run: RunFolder, chunk: Chunk) -> dict[str, object]:
        finish(chunk.clips)
        receipt = _receipt(chunk)
        if chunk.fatal is not None:
            return receipt
        # What a killed job left running may get here long after; its rows are not wanted any more.
        if not is_held_by(run.store, self.token):
            return {**receipt, "fatal": f"{run} belongs to another job now"}
        try:
            return {**receipt, **_write(run, chunk, self.features)}
        except StorageError as error:
            return {**receipt, "fatal": str(error)}


def _receipt(chunk: Chunk) -> dict[str, object]:
    return {
        "shard": chunk.shard,
        "start": chunk.start,
        "rows": chunk.rows,
        "shard_rows": chunk.shard_rows,
        "new_rows": len(chunk.clips),
        **{f"new_{outcome}": sum(row["outcome"] == outcome for row in chunk.clips) for outcome in OUTCOMES},
        "new_audio_s": sum(row["duration_s"] or 0.0 for row in chunk.clips),
        "bytes_read": chunk.bytes_read,
        "note": chunk.note,
        "error": chunk.error,
        "fatal": chunk.fatal,
    }


def _write(run: RunFolder, chunk: Chunk, features: Sequence[str]) -> dict[str, object]:
    """Write the files of a chunk; gives the counts of all its rows, with those that were on disk before."""
    new: dict[str, list[Row]] = {
        outcome: [row for row in chunk.clips if row["outcome"] == outcome] for outcome in OUTCOMES
    }
    touched = {row["position"] for row in chunk.clips}
    kept: dict[str, pa.Table] = {}
    for outcome in OUTCOMES:
        name = chunk_file(outcome, chunk.shard, chunk.start)
        try:
            old = run.read_table(name).select(LABELS.names).cast(LABELS)
        except FileNotFoundError:
            kept[outcome] = LABELS.empty_table()
            continue
        positions = old["position"].to_pylist()
        kept[outcome] = old.filter(pa.array([position not in touched for position in positions]))
        if touched.intersection(positions) - {row["position"] for row in new[outcome]}:
            _replace(run, name, kept[outcome])
    still_labeled = set(kept["labeled"]["position"].to_pylist())
    for annotator in features:
        _write_features(
            run, features_file(annotator, chunk.shard, chunk.start), annotator, new["labeled"], still_labeled
        )
    counts: dict[str, object] = {}
    seconds = 0.0
    for outcome in OUTCOMES:
        rows = pa.concat_tables([kept[outcome], pa.Table.from_pylist(new[outcome], schema=LABELS)])
        if new[outcome]:
            _replace(run, chunk_file(outcome, chunk.shard, chunk.start), rows.sort_by("position"))
        counts[outcome] = rows.num_rows
        seconds += sum(filter(None, rows["duration_s"].to_pylist()))
    return {**counts, "audio_s": seconds}


def _write_features(
    run: RunFolder, name: str, annotator: str, labeled: Sequence[Row], still_labeled: Collection[int]
) -> None:
    """Bring the features of a chunk up to date: those of the rows that stay labelled, and of the rows that come."""
    fresh = [
        {**row, **feature}
        for row in labeled
        for feature in row.get("features") or ()
        if feature["annotator"] == annotator
    ]
    rows = pa.Table.from_pylist(fresh, schema=FEATURES)
    try:
        old = run.read_table(name).cast(FEATURES)
    except FileNotFoundError:
        old = FEATURES.empty_table()
    kept = old.filter(pa.array([position in still_labeled for position in old["position"].to_pylist()], pa.bool_()))
    if fresh or kept.num_rows < old.num_rows:
        _replace(run, name, pa.concat_tables([kept, rows]).sort_by("position"), encode_features)


def _replace(run: RunFolder, name: str, rows: pa.Table, encode: Callable[[pa.Table], bytes] = encode_parquet) -> None:
    if rows.num_rows:
        run.store.write_bytes(name, encode(rows))
    else:
        run.store.delete(name)
