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
    conflicts: int  # clips that wait for adjudication, with a task or not yet

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
    conflicts = Counter(curate(routes, answers)["reason"].to_pylist())["conflict"]
    total[ADJUDICATION] = done[ADJUDICATION] + conflicts
    flags = Counter(flag for flags in answers["flags"].to_pylist() for flag in flags)
    return Standing(
        {slot: done[slot] for slot in total}, total, {flag: flags[flag] for flag in FLAGS if flags[flag]}, conflicts
    )
