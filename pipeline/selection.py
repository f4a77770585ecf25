"""Taking the best clips of each class within limits per source and per text, as a greedy pass in SQL.

The result is that of the plain loop: go through all candidates, best first, and take each one whose class, source and text
still have room. So nothing could be added to it, and no clip was passed over for one of lower priority. Instead of one by one
the candidates are taken in turns: one that is among the first so many of what still waits in its class, and in its source,
and in its text, as there is room in each would be taken by the loop too, whatever became of those before it.
"""

import duckdb

from manifests.text_key import text_key_sql

LOOK = 64
"""How far to look for a clip at first, besides four times the room of its class."""

_ORDER = "priority DESC NULLS LAST, tie, utterance_id"


def look_at_best(db: duckdb.DuckDBPyConnection) -> None:
    """Make the tables ``reach`` and ``front``: the best candidates of each class, a few times as many as there is room for.

    A candidate behind the last one that is taken of a full class plays no part, so most need not be looked at.

    Parameters
    ----------
    db : with the tables
        ``candidates`` (``rid, class, nth``), ``nth`` the rank in the class from 1, by priority, tie and id;
        ``scored`` (``rid, priority, tie, utterance_id, source_id, text``);
        ``strata`` (``class, room``), how many may be taken of each
    """
    db.execute(
        "CREATE OR REPLACE TEMP TABLE reach AS SELECT class, 4 * room + $look AS reach FROM strata WHERE room > 0",
        {"look": LOOK},
    )
    _make_front(db)


def select(db: duckdb.DuckDBPyConnection, *, per_source: int, per_text: int) -> None:
    """Make the tables ``picked`` (``rid, class, source_id, text_key``) and ``passed_over`` (``rid, reason``).

    The reason is what has no room left at the end: the class, or else the source, or else the text.
    A clip without a source or a text is limited by neither.

    Parameters
    ----------
    db : after ``look_at_best``, and with the tables
        ``occupied`` (``source_id, text_key``), a row for each clip that already counts against the limits;
        ``drawn`` (``rid``), candidates that are none any more
    """
    while True:
        _pick(db, per_source, per_text)
        # Where the best did not fill a class, look further; a class that has no more is short.
        db.execute(
            """
            CREATE OR REPLACE TEMP TABLE short AS
            SELECT class FROM reach JOIN strata USING (class)
            JOIN (SELECT class, max(nth) AS last FROM candidates GROUP BY class) USING (class)
            LEFT JOIN (SELECT class, count(*) AS n FROM picked GROUP BY class) USING (class)
            WHERE coalesce(n, 0) < room AND last > reach;
            UPDATE reach SET reach = 8 * reach WHERE class IN (SELECT class FROM short)
            """
        )
        if not db.execute("SELECT 1 FROM short").fetchall():
            return
        _make_front(db)


def _make_front(db: duckdb.DuckDBPyConnection) -> None:
    db.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE front AS
        SELECT rid, candidates.class, priority, tie, utterance_id, source_id, {text_key_sql("text")} AS text_key
        FROM candidates JOIN reach USING (class) JOIN scored USING (rid) WHERE candidates.nth <= reach
        """
    )


def _pick(db: duckdb.DuckDBPyConnection, per_source: int, per_text: int) -> None:
    db.execute(
        """
        CREATE OR REPLACE TEMP TABLE waiting AS SELECT * FROM front ANTI JOIN drawn USING (rid);
        CREATE OR REPLACE TEMP TABLE picked AS SELECT rid, class, source_id, text_key FROM waiting LIMIT 0;
        """
    )
    limits = {"per_source": per_source, "per_text": per_text}
    while db.execute("SELECT 1 FROM waiting").fetchone():
        db.execute(_with_room("turn", of="waiting"), limits)
        db.execute(_AFTER_TURN)
    db.execute(_with_room("left_over", of="front ANTI JOIN drawn USING (rid) ANTI JOIN picked USING (rid)"), limits)
    db.execute(_PASSED_OVER)


def _with_room(table: str, *, of: str) -> str:
    return f"""
        CREATE OR REPLACE TEMP TABLE {table} AS
        WITH counted AS (SELECT source_id, text_key FROM occupied UNION ALL SELECT source_id, text_key FROM picked),
        of_class AS (SELECT class, count(*) AS n FROM picked GROUP BY class),
        of_source AS (SELECT source_id, count(*) AS n FROM counted WHERE source_id IS NOT NULL GROUP BY source_id),
        of_text AS (SELECT text_key, count(*) AS n FROM counted WHERE text_key IS NOT NULL GROUP BY text_key),
        waits AS (SELECT * FROM {of})
        SELECT waits.*, room - coalesce(of_class.n, 0) AS class_room,
            CASE WHEN source_id IS NOT NULL THEN $per_source - coalesce(of_source.n, 0) END AS source_room,
            CASE WHEN text_key IS NOT NULL THEN $per_text - coalesce(of_text.n, 0) END AS text_room
        FROM waits JOIN strata USING (class)
        LEFT JOIN of_class USING (class) LEFT JOIN of_source USING (source_id) LEFT JOIN of_text USING (text_key)
        """


_AFTER_TURN = f"""
CREATE OR REPLACE TEMP TABLE judged AS
SELECT rid, class, priority, tie, utterance_id, source_id, text_key,
    row_number() OVER (PARTITION BY class ORDER BY {_ORDER}) <= class_room
    AND (source_id IS NULL OR row_number() OVER (PARTITION BY source_id ORDER BY {_ORDER}) <= source_room)
    AND (text_key IS NULL OR row_number() OVER (PARTITION BY text_key ORDER BY {_ORDER}) <= text_room) AS fits
FROM turn WHERE class_room > 0 AND coalesce(source_room > 0, true) AND coalesce(text_room > 0, true);
INSERT INTO picked SELECT rid, class, source_id, text_key FROM judged WHERE fits;
CREATE OR REPLACE TEMP TABLE waiting AS
SELECT rid, class, priority, tie, utterance_id, source_id, text_key FROM judged WHERE NOT fits
"""

_PASSED_OVER = """
CREATE OR REPLACE TEMP TABLE passed_over AS
SELECT rid, CASE WHEN class_room <= 0 THEN 'over_quota' WHEN source_room <= 0 THEN 'over_source_limit' ELSE 'over_text_limit' END
    AS reason
FROM left_over
"""
