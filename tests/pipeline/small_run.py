"""A finished run with rows of one's own choice, as the job would leave it."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from manifests.duplicates import find_duplicates
from manifests.run_folder import RunFolder, Shard, ShardCounts, chunk_file, encode_parquet, fingerprint
from manifests.schema import LABELS, OUTCOMES
from manifests.votes import consensus

Row = dict[str, Any]


def a_vote(emotion: str, confidence: float = 0.9, voter: str = "seed") -> Row:
    return {
        "voter": voter,
        "version": "1",
        "modality": "acoustic",
        "emotion": emotion,
        "confidence": confidence,
        "scores": [{"emotion": emotion, "score": confidence}],
    }


def finished_run(folder: Path, rows: list[Row], annotators: tuple[str, ...] = ("seed",)) -> RunFolder:
    """A run of these rows. Shards and positions are taken from the rows; the consensus follows from the votes."""
    run = RunFolder(str(folder))
    rows = [{"outcome": "labeled", "consensus": consensus(row.get("votes") or ()), **row} for row in rows]
    shards = [Shard(name, "tar", f"/data/{name}.tar", 1) for name in dict.fromkeys(row["shard"] for row in rows)]
    run.write_shards(shards)
    run.write_run(
        {
            "profile": "embedded",
            "emotrove": "0",
            "config": {},
            "annotators": dict.fromkeys(annotators, "1"),
            "input": {"shards": len(shards), "fingerprint": fingerprint(shards)},
        }
    )
    for shard in shards:
        members = [row for row in rows if row["shard"] == shard.name]
        counts = []
        for outcome in OUTCOMES:
            table = pa.Table.from_pylist([row for row in members if row["outcome"] == outcome], schema=LABELS)
            counts.append(table.num_rows)
            if table.num_rows:
                run.store.write_bytes(chunk_file(outcome, shard.name, 0), encode_parquet(table))
        run.mark_done(ShardCounts(shard.name, len(members), *counts, 0.0, 1))
    if rows:
        find_duplicates(run, shards)
    return run
