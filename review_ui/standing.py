"""How far the review of a run has come, from what is in the run folder."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow.compute as pc

from manifests.answers import judged
from manifests.curation import curate
from manifests.review import ADJUDICATION, EXPERT_SLOTS, FLAGS
from manifests.review_folder import ReviewFolder


@dataclass(frozen=True, slots=True)
class Standing:
    """Answers that count, and those that do not."""

    done: dict[str, int]  # by slot: utterances with an answer that counts
    total: dict[str, int]  # by slot: utterances that have a task; for adjudication those that are or were in conflict
    flagged: dict[str, int]  # answers that do not count, by flag
    flagged_answers: list[dict[str, Any]]  # slot, utterance_id, annotator, flags
    blocked: int  # seats with such answers alone; Label Studio takes the task for done and offers it to nobody
    conflicts: int  # clips that wait for adjudication, with a task or not yet
    with_adjudicator: int  # of these with a task

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def standing(review: ReviewFolder) -> Standing:
    """Count what was answered."""
    routes, tasks = review.in_review(), review.tasks()
    answers = judged(routes, tasks, review.ledger())
    counting = answers.filter(answers["counts"])
    done = Counter(counting["slot"].to_pylist())
    total: dict[str, int] = {}
    for slot in EXPERT_SLOTS:
        pushed = pc.unique(tasks.filter(pc.equal(tasks["slot"], slot))["utterance_id"])
        total[slot] = pc.sum(pc.is_in(pushed, routes["utterance_id"].combine_chunks())).as_py() or 0
    curated = curate(routes, answers)
    conflicts = curated.filter(pc.equal(curated["reason"], "conflict"))["utterance_id"].to_pylist()
    third = set(tasks.filter(pc.equal(tasks["slot"], ADJUDICATION))["utterance_id"].to_pylist())
    total[ADJUDICATION] = done[ADJUDICATION] + len(conflicts)
    rest = answers.filter(pc.invert(answers["counts"]))
    flagged = rest.select(["slot", "utterance_id", "annotator", "flags"]).to_pylist()
    seats = set(zip(counting["slot"].to_pylist(), counting["utterance_id"].to_pylist(), strict=True))
    blocked = {(row["slot"], row["utterance_id"]) for row in flagged if "not_pushed" not in row["flags"]} - seats
    flags = Counter(flag for row in flagged for flag in row["flags"])
    return Standing(
        done={slot: done[slot] for slot in total},
        total=total,
        flagged={flag: flags[flag] for flag in FLAGS if flags[flag]},
        flagged_answers=flagged,
        blocked=len(blocked),
        conflicts=len(conflicts),
        with_adjudicator=sum(utterance_id in third for utterance_id in conflicts),
    )
