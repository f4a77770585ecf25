"""What two experts, and where they differ a third, make of each clip: one pure function over routes and answers."""

import duckdb
import pyarrow as pa

from manifests.emotions import CLASSES
from manifests.review import ADJUDICATION, ANSWER, CURATED, NO_AGREEMENT, SLOTS, UNSURE, UNUSABLE

REASONS = {
    "no_answer": "nobody has given an answer that counts",
    "one_answer": "one expert has answered, the other not yet",
    "conflict": "the experts differ, and nobody has settled it yet",
    "both_unsure": "both experts could not tell",
    "adjudicator_unsure": "the experts differ, and the adjudicator could not tell",
    "adjudicator_no_agreement": "the experts differ, and the adjudicator let both answers stand",
    **{
        first if first == second else f"{first}+{second}": "no emotion can be given to this clip"
        for first in sorted(UNUSABLE)
        for second in sorted(UNUSABLE)
        if first <= second
    },
}
"""Every reason in CURATED: why a clip is pending, without agreement, or unusable (what was said of it, joined by ``+``)."""

_PACKED = ", ".join(f"{field.name} := {field.name}" for field in ANSWER)

_CURATE = f"""
WITH given AS (
    SELECT utterance_id,
        list(struct_pack({_PACKED}) ORDER BY list_position($slots, slot), created_at, annotation_id) AS answers,
        max(answer) FILTER (counts AND slot = 'A') AS a,
        max(answer) FILTER (counts AND slot = 'B') AS b,
        max(answer) FILTER (counts AND slot = $adjudication) AS settled
    FROM answers GROUP BY utterance_id
),
compared AS (
    SELECT routes.*, answers, a, b,
        coalesce(list_contains($classes, a) AND a = b, false) AS same_emotion,
        coalesce(list_contains($unusable, a) AND list_contains($unusable, b), false) AS both_unusable,
        coalesce(a = $unsure AND b = $unsure, false) AS both_unsure,
        -- Where the experts agree there is nothing to settle, whatever stands in the third project.
        CASE WHEN a IS NOT NULL AND b IS NOT NULL AND NOT (same_emotion OR both_unusable OR both_unsure)
            THEN settled END AS settled
    FROM routes LEFT JOIN given USING (utterance_id)
)
SELECT utterance_id, shard, position,
    CASE
        WHEN same_emotion THEN 'verified'
        WHEN list_contains($classes, settled) THEN 'adjudicated'
        WHEN both_unusable OR list_contains($unusable, settled) THEN 'unusable'
        WHEN both_unsure OR settled IN ($unsure, $no_agreement) THEN 'no_agreement'
        ELSE 'pending'
    END AS status,
    CASE
        WHEN status IN ('verified', 'adjudicated') THEN NULL
        WHEN both_unusable THEN CASE WHEN a = b THEN a ELSE least(a, b) || '+' || greatest(a, b) END
        WHEN both_unsure THEN 'both_unsure'
        WHEN settled = $unsure THEN 'adjudicator_unsure'
        WHEN settled = $no_agreement THEN 'adjudicator_no_agreement'
        WHEN settled IS NOT NULL THEN settled
        WHEN a IS NULL AND b IS NULL THEN 'no_answer'
        WHEN a IS NULL OR b IS NULL THEN 'one_answer'
        ELSE 'conflict'
    END AS reason,
    CASE status WHEN 'verified' THEN a WHEN 'adjudicated' THEN settled END AS emotion,
    arm, policy, machine_emotion, gold_emotion, language, source_id,
    coalesce(answers, []) AS answers
FROM compared ORDER BY utterance_id
"""


def curate(routes: pa.Table, answers: pa.Table) -> pa.Table:
    """What became of each clip in review.

    ``verified``: two experts gave the same emotion. ``adjudicated``: they differed, and a third settled it. ``unusable``: both
    said that no emotion can be given (for whatever reason), or they differed and the third said so. ``no_agreement``: both
    were unsure, or they differed and the third was unsure too or let both answers stand. ``pending``: all others, with what
    is missing as the reason. An adjudication of a clip on which the experts (now) agree is ignored.

    Parameters
    ----------
    routes : ROUTES, the rows in review, each utterance once
    answers : JUDGED; that two answers which count are of two people was decided there

    Returns
    -------
    CURATED by utterance; a function of the arguments alone, whatever the order of their rows, down to the bytes of its file
    """
    values = {
        "slots": list(SLOTS),
        "adjudication": ADJUDICATION,
        "classes": [str(emotion) for emotion in CLASSES],
        "unusable": list(UNUSABLE),
        "unsure": UNSURE,
        "no_agreement": NO_AGREEMENT,
    }
    with duckdb.connect() as db:
        db.register("routes", routes.rename_columns({"emotion": "machine_emotion"}).drop_columns("reason"))
        db.register("answers", answers)
        # In one chunk, because where chunks end would show in the pages of the file.
        return db.sql(_CURATE, params=values).to_arrow_table().cast(CURATED).combine_chunks()
