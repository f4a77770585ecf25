"""Which answers count: one pure function over routes, tasks and ledger.

Label Studio takes any answer from anybody, so what holds is decided here. Every answer stays visible; one that breaks a rule
is flagged and does not count. Nothing here depends on when answers were pulled.
"""

from typing import Any

import duckdb
import pyarrow as pa

from manifests.emotions import CLASSES
from manifests.review import ADJUDICATION, ESCAPES, JUDGED, LEDGER, NO_AGREEMENT

_FIELDS = [name for name in LEDGER.names if name not in ("unknown", "raw", "pulled_at")]

_JUDGE = f"""
WITH last AS (  -- another server numbers its annotations from 1 again
    SELECT * FROM ledger QUALIFY row_number() OVER (PARTITION BY slot, project_id, annotation_id ORDER BY seq DESC) = 1
),
alone AS (  -- what an answer says of itself
    SELECT last.*, routes.duration_s, routes.arm, routes.language, routes.source_id, routes.gold_emotion,
        routes.emotion AS machine_emotion, tasks.show_machine,
        list_filter([
            CASE WHEN tasks.task_id IS NULL THEN 'not_pushed' END,
            CASE WHEN state = 'skipped' THEN 'skipped' END,
            CASE WHEN state = 'submitted' AND answer IS NULL AND len(coalesce(unknown, [])) = 0 THEN 'no_answer' END,
            CASE WHEN len(coalesce(unknown, [])) > 0
                   OR (answer IS NOT NULL AND NOT list_contains($choices, answer))
                   OR (answer = $no_agreement AND last.slot != $adjudication) THEN 'unknown_choice' END,
            CASE WHEN last.slot = $adjudication AND state = 'submitted' AND trim(coalesce(last.reason, '')) = '' THEN 'no_reason' END,
            CASE WHEN state = 'submitted' AND lead_time_s < routes.duration_s THEN 'too_fast' END
        ], lambda flag: flag IS NOT NULL) AS own
    FROM last
    LEFT JOIN tasks ON tasks.slot = last.slot AND tasks.project_id = last.project_id AND tasks.task_id = last.task_id
        AND tasks.utterance_id = last.utterance_id
    LEFT JOIN routes ON routes.utterance_id = last.utterance_id
    WHERE state != 'deleted'
),
good AS (SELECT slot, utterance_id, annotator, created_at, project_id, annotation_id FROM alone WHERE len(own) = 0),
first_in_slot AS (  -- the first good answer of each person in each slot
    SELECT * FROM good
    QUALIFY row_number() OVER (PARTITION BY slot, utterance_id, annotator ORDER BY created_at, project_id, annotation_id) = 1
),
first_of_person AS (  -- and of these the first of each person over both expert slots
    SELECT * FROM first_in_slot WHERE slot != $adjudication
    QUALIFY row_number() OVER (PARTITION BY utterance_id, annotator ORDER BY created_at, slot, project_id, annotation_id) = 1
),
heard AS (SELECT DISTINCT utterance_id, annotator FROM ledger WHERE slot != $adjudication),
impartial AS (
    SELECT * FROM first_of_person
    UNION ALL
    SELECT * FROM first_in_slot ANTI JOIN heard USING (utterance_id, annotator) WHERE slot = $adjudication
),
counted AS (
    SELECT slot, project_id, annotation_id FROM impartial
    QUALIFY row_number() OVER (PARTITION BY slot, utterance_id ORDER BY created_at, project_id, annotation_id) = 1
)
SELECT {", ".join(f"alone.{name}" for name in _FIELDS)},
    list_sort(CASE
        WHEN len(own) > 0 THEN own
        WHEN counted.annotation_id IS NOT NULL THEN []
        WHEN first_in_slot.annotation_id IS NULL THEN ['second_answer']
        WHEN alone.slot = $adjudication AND heard.annotator IS NOT NULL THEN ['adjudicator_answered']
        WHEN alone.slot != $adjudication AND first_of_person.annotation_id IS NULL THEN ['same_person']
        ELSE ['third_answer']
    END) AS flags,
    counted.annotation_id IS NOT NULL AS counts,
    alone.duration_s, arm, language, source_id, gold_emotion, machine_emotion, show_machine
FROM alone
LEFT JOIN counted USING (slot, project_id, annotation_id)
LEFT JOIN first_in_slot USING (slot, project_id, annotation_id)
LEFT JOIN first_of_person USING (slot, project_id, annotation_id)
LEFT JOIN heard ON heard.utterance_id = alone.utterance_id AND heard.annotator = alone.annotator
ORDER BY alone.utterance_id, alone.slot, alone.created_at, alone.project_id, alone.annotation_id
"""


def judged(routes: pa.Table, tasks: pa.Table, ledger: pa.Table) -> pa.Table:
    """The last version of each annotation that was not deleted, with its flags and whether it counts.

    At most one answer counts for each utterance and slot: the first good one, in the order in which answers were given, of a
    person who has no earlier answer to this clip in the other slot. An adjudication counts only of a person who never
    answered the clip as an expert, deleted answers included, because that person has heard it with a stake in the outcome.

    Parameters
    ----------
    routes : ROUTES, decided rows
    tasks : TASKS
    ledger : LEDGER

    Returns
    -------
    JUDGED, by utterance, slot and time of answering; a function of the arguments alone
    """
    choices = [str(emotion) for emotion in CLASSES] + [*ESCAPES, NO_AGREEMENT]
    with duckdb.connect() as db:
        db.register("routes", routes)
        db.register("tasks", tasks)
        db.register("ledger", ledger)
        given = {"choices": choices, "no_agreement": NO_AGREEMENT, "adjudication": ADJUDICATION}
        return db.sql(_JUDGE, params=given).to_arrow_table().cast(JUDGED)


def counted(answers: pa.Table) -> dict[str, dict[str, dict[str, Any]]]:
    """Row of JUDGED by utterance and slot, of the answers that count."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for row in answers.to_pylist():
        if row["counts"]:
            found.setdefault(row["utterance_id"], {})[row["slot"]] = row
    return found
