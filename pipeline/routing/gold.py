"""The known answers of a routing: which of them are utterances of the run, and what a person must know of the others."""

from pathlib import Path

import duckdb
import pyarrow as pa

from manifests.errors import InputError
from manifests.run_folder import RunFolder
from manifests.truth import read_truth


def load_gold(db: duckdb.DuckDBPyConnection, run: RunFolder, path: Path | None) -> list[str]:
    """Make the table ``gold`` (``utterance_id, emotion``) of labelled utterances.

    Parameters
    ----------
    db : with the tables of ``pipeline.routing.rows``

    Returns
    -------
    Sentences on what the file holds and routing cannot use

    Raises
    ------
    InputError : the file cannot be read, or an id is no utterance of the run
    """
    if path is None:
        db.execute("CREATE TEMP TABLE gold (utterance_id VARCHAR, emotion VARCHAR)")
        return ["There are no gold items: give known answers with --gold FILE.jsonl"]
    truth = read_truth(path)
    emotions = [str(known.emotion) for known in truth.clips.values()]
    listed = pa.table({"utterance_id": list(truth.clips), "emotion": emotions})
    db.register("gold_list", listed.cast(pa.schema([("utterance_id", pa.string()), ("emotion", pa.string())])))
    db.execute("CREATE TEMP TABLE gold AS SELECT * FROM gold_list SEMI JOIN utterances USING (utterance_id)")
    notes = _not_labelled(db, run, path)
    if truth.others:
        names = ", ".join(f"{name} {count}" for name, count in sorted(truth.other_classes.items()))
        notes.append(f"Gold items of other emotions than the seven were left out: {names}")
    before = db.execute(
        "SELECT CASE WHEN decision = 'accept_machine' THEN 'accepted' ELSE arm END AS how, count(*) "
        "FROM gold JOIN decided USING (utterance_id) WHERE arm IS DISTINCT FROM 'gold' GROUP BY how ORDER BY how"
    ).fetchall()
    notes += [f"Gold items that were routed before as {how} and stay so: {count}" for how, count in before]
    changed = db.execute(
        "SELECT utterance_id FROM gold JOIN decided USING (utterance_id) "
        "WHERE arm = 'gold' AND gold_emotion != gold.emotion ORDER BY utterance_id"
    ).fetchall()
    if changed:
        notes.append(
            f"Gold items that went to review with another answer than the file has now, and keep it: {some(changed)}"
        )
    return notes


def _not_labelled(db: duckdb.DuckDBPyConnection, run: RunFolder, path: Path) -> list[str]:
    missing = db.execute(
        "SELECT utterance_id FROM gold_list ANTI JOIN gold USING (utterance_id) ORDER BY utterance_id"
    ).fetchall()
    if not missing:
        return []
    db.register("others", run.dataset(["rejected", "failed"]))
    there = set(db.execute("SELECT utterance_id FROM others SEMI JOIN gold_list USING (utterance_id)").fetchall())
    unknown = [row for row in missing if row not in there]
    if unknown:
        raise InputError(
            f"{path} names clips that {run} does not have: {some(unknown)}. A gold item must be an utterance of the run: "
            "take the others out of the file"
        )
    return [f"Gold items that were rejected or failed, and cannot be used: {some(missing)}"]


def some(rows: list[tuple[str]]) -> str:
    """The first ids of a list, and how many more there are."""
    more = f" and {len(rows) - 3:,} more" if len(rows) > 3 else ""
    return ", ".join(row[0] for row in rows[:3]) + more
