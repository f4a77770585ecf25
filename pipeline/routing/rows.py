"""What routing knows of a run, as tables of a DuckDB database on disk, so that millions of rows need no memory.

``decided``    one row for each utterance that an earlier routing has decided for good
``utterances`` one row for each labelled utterance; ``state`` says why it is not open to a decision, null where it is
"""

import math
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import duckdb
import pyarrow as pa

from manifests.duplicates import present_duplicates
from manifests.errors import InputError, RunFolderError, StorageError
from manifests.exclusion import Exclusion, exclusion_reason_sql
from manifests.review_folder import ReviewFolder
from manifests.run_folder import RunFolder
from manifests.schema import LABELS

MEMORY_LIMIT = "1GB"
THREADS = 8  # at most: each needs its own buffers, and more would not fit into the memory
_FILES_AT_ONCE = 512

_CHANCE = "md5_number($salt || utterance_id)"
"""128 bits that only the seed and the id determine: two numbers for one MD5, which is the same in every version of DuckDB."""

Listener = Callable[[int, int | None], None]
"""Called with the number of files read and the number in all."""


@contextmanager
def scratch() -> Iterator[duckdb.DuckDBPyConnection]:
    """A DuckDB database in a temporary folder, in bounded memory, that is removed in the end.

    Raises
    ------
    StorageError : the temporary folder has no room for it
    """
    with tempfile.TemporaryDirectory(prefix="emotrove-") as folder:
        try:
            with duckdb.connect(f"{folder}/routing.duckdb") as db:
                db.execute("SET memory_limit = ?", [MEMORY_LIMIT])
                db.execute("SET threads = ?", [min(THREADS, os.cpu_count() or 1)])
                db.execute("SET temp_directory = ?", [folder])
                db.execute("SET preserve_insertion_order = false")
                yield db
        except duckdb.Error as error:
            if folder not in str(error) and not isinstance(error, duckdb.OutOfMemoryException):
                raise
            raise StorageError(
                f"There is not enough room for temporary files in {tempfile.gettempdir()}: {error}. "
                "Free some space, or set TMPDIR to a folder on a larger disk (about 200 bytes for each utterance)"
            ) from error


def _draw(chance: str) -> str:
    return f"({chance} >> 64)::UBIGINT"


def load_decided(db: duckdb.DuckDBPyConnection, review: ReviewFolder, seed: int) -> None:
    """Make the table ``decided``; ``draw`` is that of ``load_utterances``.

    Raises
    ------
    RunFolderError : a file of decisions is damaged
    """
    db.register("decided_files", review.decided())
    try:
        db.execute(
            "CREATE TABLE decided AS SELECT utterance_id, decision, arm, language, emotion, gold_emotion, source_id, "
            f"text_key, round, {_draw(_CHANCE)} AS draw FROM decided_files",
            {"salt": f"{seed}:"},
        )
    except duckdb.InvalidInputException as error:  # what DuckDB makes of an error of Arrow
        raise RunFolderError(
            f"A file of {review.store.path('routes')} cannot be read: {error}. Put it back from a copy"
        ) from error
    db.unregister("decided_files")


def load_utterances(
    db: duckdb.DuckDBPyConnection,
    run: RunFolder,
    *,
    seed: int,
    languages: Sequence[str] | None,
    exclusion: Exclusion,
    listener: Listener,
) -> None:
    """Make the table ``utterances`` of the labelled rows, those left out whose id an earlier shard has used.

    ``state`` is ``decided``, ``excluded``, ``other_language`` or null. ``draw`` and ``tie`` are two numbers in [0, 2^64), as
    chance would give them. A score that is not a finite number is null, because DuckDB holds NaN for greater than all numbers.

    Raises
    ------
    InputError : the run has no labelled utterance
    """
    names = run.label_files(["labeled"])
    if not names:
        raise InputError(f"{run} has no labelled clip to route. See what it has with: emotrove status {run}")
    db.register("duplicates", present_duplicates(run))
    db.register("exclusion", exclusion.table())
    wanted = pa.table({"language": pa.array(languages if languages is not None else [], pa.string())})
    db.register("wanted", wanted)
    excluded = exclusion_reason_sql("utterance_id", "source_id") if exclusion.ids or exclusion.sources else "NULL"
    other = "NOT coalesce(language IN (SELECT language FROM wanted), false)" if languages is not None else "false"
    select = f"""
        SELECT utterance_id, shard, position, language, source_id, duration_s, consensus.emotion AS emotion,
            CASE WHEN isfinite(consensus.confidence) THEN consensus.confidence END AS confidence,
            CASE WHEN isfinite(consensus.agreement) THEN consensus.agreement END AS agreement,
            consensus.n_votes AS n_votes,
            CASE WHEN trim(text) != '' THEN text ELSE transcript.text END AS text,
            {_draw("chance")} AS draw, (chance & {2**64 - 1}::UHUGEINT)::UBIGINT AS tie,
            CASE WHEN utterance_id IN (SELECT utterance_id FROM decided) THEN 'decided'
                 WHEN {excluded} IS NOT NULL THEN 'excluded'
                 WHEN {other} THEN 'other_language' END AS state
        FROM (SELECT *, {_CHANCE} AS chance FROM labels) ANTI JOIN duplicates USING (shard, position)
    """
    # In a few large batches rather than at once, so that there is progress to show.
    size = max(_FILES_AT_ONCE, math.ceil(len(names) / 20))
    made = "CREATE TABLE utterances AS"
    for start in range(0, len(names), size):
        listener(start, len(names))
        _register_labels(db, run, names[start : start + size])
        db.execute(f"{made} {select}", {"salt": f"{seed}:"})
        made = "INSERT INTO utterances"
    listener(len(names), len(names))


def load_audio(db: duckdb.DuckDBPyConnection, run: RunFolder, places: str) -> None:
    """Make the table ``audio`` (``shard, position, audio_uri, audio_format, audio_sha256``) of some utterances.

    Parameters
    ----------
    places : a table or view with ``shard, position``; only the files that hold them are read
    """
    chunks = [
        {"shard": shard, "start": start, "name": by_outcome["labeled"]}
        for shard, starts in run.chunk_files().items()
        for start, by_outcome in starts.items()
        if "labeled" in by_outcome
    ]
    db.register("chunks", pa.Table.from_pylist(chunks))
    found = db.execute(
        f"SELECT DISTINCT name FROM {places} AS p ASOF JOIN chunks ON p.shard = chunks.shard AND p.position >= chunks.start "
        "ORDER BY name"
    ).fetchall()
    _register_labels(db, run, [name for (name,) in found])
    db.execute(
        "CREATE TEMP TABLE audio AS SELECT shard, position, audio_uri, audio_format, audio_sha256 "
        f"FROM labels SEMI JOIN {places} USING (shard, position)"
    )


def _register_labels(db: duckdb.DuckDBPyConnection, run: RunFolder, names: Sequence[str]) -> None:
    """Make the view ``labels`` of some files of rows."""
    paths = [run.store.path(name) for name in names]
    if run.store.is_local and not re.search(
        r"[*?\[{]", run.store.path()
    ):  # DuckDB would take such a path for a pattern
        db.read_parquet(paths, hive_partitioning=False).create_view("labels", replace=True)  # four times as fast
    else:
        db.execute("DROP VIEW IF EXISTS labels")
        db.register("labels", run.dataset_of(names, LABELS))
