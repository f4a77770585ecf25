"""The same id in two shards: found at the end of a job, on disk rather than in memory."""

import tempfile
from collections.abc import Sequence

import duckdb
import pyarrow as pa

from manifests.run_folder import RunFolder, Shard

MEMORY_LIMIT = "512MB"


def find_duplicates(run: RunFolder, shards: Sequence[Shard]) -> int:
    """Write down every row whose id a shard before its own has used; gives their number. Only the first row counts downstream."""
    found = _search(run, shards)
    run.write_duplicates(found)
    return int(found.num_rows)


def present_duplicates(run: RunFolder) -> pa.Table:
    """The same rows for reading downstream: as written down at the end of a job, or searched for where none has ended."""
    written = run.duplicates()
    return _search(run, run.shards()) if written is None else written


def _search(run: RunFolder, shards: Sequence[Shard]) -> pa.Table:
    """DuckDB groups the ids in bounded memory and spills to disk."""
    order = pa.table({"shard": [s.name for s in shards], "rank": pa.array(range(len(shards)), pa.int64())})
    with tempfile.TemporaryDirectory(prefix="emotrove-") as spill, duckdb.connect() as db:
        db.execute("SET memory_limit = ?", [MEMORY_LIMIT])
        db.execute("SET temp_directory = ?", [spill])
        db.execute("SET preserve_insertion_order = false")
        db.register("labels", run.dataset())
        db.register("shard_order", order)
        return db.sql(
            """
            WITH used_twice AS (SELECT utterance_id FROM labels GROUP BY utterance_id HAVING count(*) > 1),
            ranked AS (
                SELECT utterance_id, shard, position,
                       row_number() OVER (PARTITION BY utterance_id ORDER BY rank, position) AS nth
                FROM labels SEMI JOIN used_twice USING (utterance_id) JOIN shard_order USING (shard)
            )
            SELECT utterance_id, shard, position FROM ranked WHERE nth > 1 ORDER BY shard, position
            """
        ).to_arrow_table()
