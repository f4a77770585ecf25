"""What each expert did, and how far review is."""

from typing import Any

import duckdb
import pyarrow as pa
from scipy.stats import binomtest

from manifests.bootstrap import CONFIDENCE
from manifests.review import ARMS, ESCAPES, FLAGS
from review_ui.agreement.report import Counts, Person, Share

_PEOPLE = """
SELECT
    annotator,
    count(*) AS answers,
    count(*) FILTER (counts) AS counted,
    count(*) FILTER (counts AND list_contains($escapes, answer)) AS escapes,
    median(lead_time_s) FILTER (counts) AS seconds_per_clip,
    median(lead_time_s / duration_s) FILTER (counts AND duration_s > 0) AS seconds_per_second,
    count(*) FILTER (counts AND arm = 'gold') AS gold,
    count(*) FILTER (counts AND arm = 'gold' AND answer = gold_emotion) AS gold_right
FROM judged WHERE slot != 'adjudication' GROUP BY annotator ORDER BY annotator
"""

_FLAGS = """
SELECT annotator, flag, count(*) AS n
FROM (SELECT annotator, unnest(flags) AS flag FROM judged WHERE slot != 'adjudication')
GROUP BY ALL ORDER BY ALL
"""

_PROGRESS = """
WITH pushed AS (SELECT DISTINCT utterance_id FROM tasks WHERE slot != 'adjudication'),
answered AS (SELECT utterance_id, count(*) AS slots FROM judged WHERE counts AND slot != 'adjudication' GROUP BY ALL)
SELECT arm, coalesce(slots, 0) AS slots, count(*) AS n
FROM pushed LEFT JOIN answered USING (utterance_id) LEFT JOIN routes USING (utterance_id) GROUP BY ALL
"""

_ESCAPES = "SELECT answer, count(*) FROM judged WHERE counts AND slot != 'adjudication' GROUP BY answer"


def share(hits: int, n: int) -> Share:
    """A proportion with its Wilson interval."""
    if n == 0:
        return Share(0, 0, None, None, None)
    interval = binomtest(hits, n).proportion_ci(CONFIDENCE, method="wilson")
    return Share(n, hits, hits / n, float(interval.low), float(interval.high))


def people(judged: pa.Table) -> tuple[Person, ...]:
    """Everybody who answered in slot A or B, by name.

    Parameters
    ----------
    judged : JUDGED
    """
    with duckdb.connect() as db:
        db.register("judged", judged)
        flags: dict[str, dict[str, int]] = {}
        for annotator, flag, n in db.sql(_FLAGS).fetchall():
            flags.setdefault(annotator, {})[flag] = n
        rows: list[dict[str, Any]] = db.sql(_PEOPLE, params={"escapes": list(ESCAPES)}).to_arrow_table().to_pylist()
    return tuple(
        Person(gold=share(row.pop("gold_right"), row.pop("gold")), flags=flags.get(row["annotator"], {}), **row)
        for row in rows
    )


def progress(judged: pa.Table, tasks: pa.Table, routes: pa.Table) -> Counts:
    """How many clips were pushed, and how many of them were answered.

    Parameters
    ----------
    judged : JUDGED
    tasks : TASKS
    routes : ROUTES
    """
    with duckdb.connect() as db:
        db.register("judged", judged)
        db.register("tasks", tasks)
        db.register("routes", routes)
        clips = db.sql(_PROGRESS).fetchall()
        flags = dict.fromkeys(FLAGS, 0)
        for _, flag, n in db.sql(_FLAGS).fetchall():
            flags[flag] += n
        answers = dict(db.sql(_ESCAPES).fetchall())
        given, flagged = db.sql(
            "SELECT count(*), count(*) FILTER (NOT counts) FROM judged WHERE slot != 'adjudication'"
        ).fetchall()[0]

    def with_slots(slots: int) -> int:
        return sum(n for _, found, n in clips if found == slots)

    return Counts(
        pushed={arm: sum(n for found, _, n in clips if found == arm) for arm in ARMS},
        both=with_slots(2),
        one=with_slots(1),
        none=with_slots(0),
        answers=given,
        flagged=flagged,
        flags=flags,
        escapes={escape: answers.get(escape, 0) for escape in ESCAPES},
    )
