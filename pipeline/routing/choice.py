"""The choice of a routing: who is drawn, who is selected, whose answer is known, whom the machine decides, and who waits."""

from collections.abc import Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from manifests.emotions import CLASSES
from manifests.text_key import text_key_sql
from pipeline.routing.policies import Policy
from pipeline.selection import look_at_best, select


@dataclass(frozen=True, slots=True)
class Asked:
    """How many clips of an arm there ought to be, by the number of selected clips."""

    control: int
    gold: int


def load_strata(db: duckdb.DuckDBPyConnection, policy: Policy, per_class: int, languages: Sequence[str] | None) -> None:
    """Make the table ``strata`` and the view ``scored``.

    ``strata``: ``class`` (a number), ``language, emotion``, ``taken`` (selected by earlier routings), ``room`` (what the quota
    leaves), ``share`` (of the emotion in its language). ``scored``: ``utterances`` with ``rid, class, priority``.
    """
    found = db.execute(
        "SELECT DISTINCT language FROM utterances WHERE state IS NULL OR state = 'decided' ORDER BY language NULLS LAST"
    ).fetchall()
    names = sorted(set(languages)) if languages is not None else [name for (name,) in found]
    pairs = [(language, str(emotion)) for language in names for emotion in CLASSES]
    strata = pa.table(
        {
            "class": pa.array(range(len(pairs)), pa.int32()),
            "language": pa.array([language for language, _ in pairs], pa.string()),
            "emotion": pa.array([emotion for _, emotion in pairs], pa.string()),
        }
    )
    db.register("pairs", strata)
    db.execute(
        """
        CREATE TEMP TABLE strata AS
        SELECT pairs.*, coalesce(taken, 0) AS taken, greatest($per_class - coalesce(taken, 0), 0) AS room,
            n / sum(n) OVER (PARTITION BY pairs.language) AS share
        FROM pairs
        LEFT JOIN (SELECT language, emotion, count(*) AS taken FROM decided WHERE arm = 'selected' GROUP BY ALL) AS before
            ON before.language IS NOT DISTINCT FROM pairs.language AND before.emotion = pairs.emotion
        LEFT JOIN (
            SELECT language, emotion, count(*) AS n FROM utterances WHERE state IS NULL OR state = 'decided' GROUP BY ALL
        ) AS all_of ON all_of.language IS NOT DISTINCT FROM pairs.language AND all_of.emotion = pairs.emotion
        """,
        {"per_class": per_class},
    )
    db.execute(
        f"""
        CREATE VIEW scored AS
        SELECT utterances.rowid AS rid, utterances.*, class, ({policy.priority})::DOUBLE AS priority
        FROM utterances LEFT JOIN strata
            ON strata.language IS NOT DISTINCT FROM utterances.language AND strata.emotion = utterances.emotion
        """
    )


def choose(
    db: duckdb.DuckDBPyConnection,
    *,
    per_source: int,
    per_text: int,
    control: float,
    gold: float,
    accept_above: float | None,
) -> Asked:
    """Make the tables ``chosen`` (``rid, decision, reason, arm, gold_emotion``) and ``picked``, and the view ``held`` (``rid, reason``).

    Chance comes first: the share ``control`` of all utterances with the smallest draws is kept from everything else, and the
    control slice is taken from its beginning. So no routing can take what a later one may draw, and the slice stays a
    chance draw however the run grows. For the same reason nothing is drawn behind the first clip that was ever routed otherwise.

    Parameters
    ----------
    control, gold : shares of the review set
    accept_above : consensus confidence; None accepts nothing
    """
    _keep_for_control(db, control)
    db.execute(
        """
        CREATE TABLE candidates AS
        SELECT rid, class, row_number() OVER (PARTITION BY class ORDER BY priority DESC NULLS LAST, tie, utterance_id) AS nth
        FROM scored JOIN strata USING (class) ANTI JOIN kept USING (rid) ANTI JOIN gold USING (utterance_id)
        WHERE state IS NULL AND room > 0
        """
    )
    before = {"selected": 0, "control": 0, "gold": 0}
    before |= dict(db.execute("SELECT arm, count(*) FROM decided WHERE decision = 'review' GROUP BY arm").fetchall())
    look_at_best(db)
    guess, too_few, enough = 0, -1, None
    while True:
        drawn = _draw(db, guess)
        select(db, per_source=per_source, per_text=per_text)
        selected = before["selected"] + _count(db, "picked")
        asked_gold = round(gold / (1 - control - gold) * selected)
        known = before["gold"] + _take_gold(db, max(0, asked_gold - before["gold"]))
        asked_control = round(control / (1 - control) * (selected + known))
        missing = asked_control - before["control"]
        if missing == drawn or (drawn < guess and missing > drawn):
            break
        # What is drawn cannot be selected, and takes up room of its source, so the selection is done again beside it, until
        # no smaller draw is enough. At first as if each clip drawn took the place of a selected one.
        if missing > drawn:
            too_few = drawn
        else:
            enough = drawn
        if enough is None:
            guess = missing if drawn else max(1, round(control * (selected + known)) - before["control"])
        elif enough - too_few > 1:
            guess = min(max(missing, too_few + 1), enough - 1)
        elif drawn == enough:
            break
        else:
            guess = enough
    if drawn:  # one draw fewer may ask for more than this one does; then it is this many that are asked for
        asked_control = max(asked_control, before["control"] + drawn)
    _decide(db, accept_above)
    return Asked(asked_control, asked_gold)


def _keep_for_control(db: duckdb.DuckDBPyConnection, control: float) -> None:
    """Make the table ``kept`` (``rid``): what only chance may take."""
    in_scope = "state IS NULL OR state = 'decided'"
    (count,) = db.execute(f"SELECT count(*) FROM utterances WHERE {in_scope}").fetchall()[0]
    db.execute(
        f"""
        CREATE TEMP TABLE kept AS SELECT rid FROM (
            SELECT rowid AS rid, state, row_number() OVER (ORDER BY draw, utterance_id) AS nth
            FROM utterances WHERE {in_scope}
        ) WHERE nth <= $n AND state IS NULL
        """,
        {"n": round(control * count)},
    )


def _draw(db: duckdb.DuckDBPyConnection, count: int) -> int:
    """Make the tables ``drawn`` (``rid``) and ``occupied``; gives how many could be drawn.

    The rows are counted by hand, here and elsewhere: DuckDB 2.0.0 drops a LIMIT larger than its estimate of the rows.
    """
    db.execute(
        """
        CREATE OR REPLACE TEMP TABLE drawn AS SELECT rid FROM (
            SELECT rowid AS rid, row_number() OVER (ORDER BY draw, utterance_id) AS nth FROM utterances
            WHERE state IS NULL AND draw < coalesce(
                (SELECT min(draw) FROM decided WHERE arm IS DISTINCT FROM 'control'), 18446744073709551615)
        ) WHERE nth <= $count
        """,
        {"count": count},
    )
    db.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE occupied AS
        SELECT source_id, text_key FROM decided WHERE arm IN ('selected', 'control')
        UNION ALL
        SELECT source_id, {text_key_sql("text")} FROM drawn JOIN scored USING (rid)
        """
    )
    return _count(db, "drawn")


def _take_gold(db: duckdb.DuckDBPyConnection, count: int) -> int:
    db.execute(
        """
        CREATE OR REPLACE TEMP TABLE known AS SELECT rid, emotion FROM (
            SELECT rid, gold.emotion, row_number() OVER (ORDER BY draw, utterance_id) AS nth
            FROM scored JOIN gold USING (utterance_id) ANTI JOIN drawn USING (rid) ANTI JOIN kept USING (rid)
            WHERE state IS NULL
        ) WHERE nth <= $count
        """,
        {"count": count},
    )
    return _count(db, "known")


def _decide(db: duckdb.DuckDBPyConnection, accept_above: float | None) -> None:
    db.execute(
        """
        CREATE TEMP TABLE chosen AS
        SELECT rid, 'review' AS decision, 'control' AS reason, 'control' AS arm, NULL::VARCHAR AS gold_emotion FROM drawn
        UNION ALL SELECT rid, 'review', 'selected', 'selected', NULL FROM picked
        UNION ALL SELECT rid, 'review', 'gold', 'gold', emotion FROM known
        """
    )
    if accept_above is not None:
        # In single precision, as the confidence is: 0.9 is at or above 0.9.
        db.execute(
            """
            INSERT INTO chosen
            SELECT rid, 'accept_machine', 'sure_enough', NULL, NULL
            FROM scored ANTI JOIN chosen USING (rid) ANTI JOIN kept USING (rid) ANTI JOIN gold USING (utterance_id)
            WHERE state IS NULL AND class IS NOT NULL AND agreement = 1 AND confidence >= $accept_above::FLOAT
            """,
            {"accept_above": accept_above},
        )
    db.execute(
        """
        CREATE VIEW held AS
        SELECT scored.rid, CASE
            WHEN state IS NOT NULL THEN state
            WHEN scored.emotion IS NULL THEN 'no_consensus'
            WHEN kept.rid IS NOT NULL THEN 'kept_for_control'
            WHEN gold.utterance_id IS NOT NULL THEN 'kept_for_gold'
            WHEN coalesce(n, 0) >= room THEN 'over_quota'
            ELSE passed_over.reason END AS reason
        FROM scored ANTI JOIN chosen USING (rid)
        LEFT JOIN gold USING (utterance_id) LEFT JOIN kept USING (rid) LEFT JOIN passed_over USING (rid)
        LEFT JOIN strata USING (class) LEFT JOIN (SELECT class, count(*) AS n FROM picked GROUP BY class) USING (class)
        WHERE state IS DISTINCT FROM 'decided'
        """
    )


def _count(db: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(db.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])
