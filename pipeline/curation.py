"""Curating a run: from the answers that are in the ledger now to ``curated/curated.parquet``, and the account of it."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from manifests.answers import judged
from manifests.curation import curate
from manifests.errors import RunFolderError
from manifests.review import ADJUDICATION, EXPERT_SLOTS, STATUSES
from manifests.review_folder import ReviewFolder
from manifests.run_folder import RunFolder


@dataclass(slots=True)
class Curation:
    """What became of the clips in review."""

    run: str
    clips: int = 0
    statuses: dict[str, int] = field(default_factory=dict)  # every status, also those without a clip
    emotions: dict[str, dict[str, dict[str, int]]] = field(default_factory=dict)  # language → status → emotion → clips
    arms: dict[str, dict[str, int]] = field(default_factory=dict)  # arm → status → clips
    reasons: dict[str, dict[str, int]] = field(default_factory=dict)  # status → reason → clips, most frequent first
    next: list[str] = field(default_factory=list)  # what to do now, with the command

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def curate_run(run: RunFolder) -> Curation:
    """Recompute what is verified, write it into the run folder, and account for it. The same answers give the same bytes.

    Raises
    ------
    RunFolderError : this is no run, or nothing of it was routed to experts
    """
    run.require()
    review = ReviewFolder(run)
    routes = review.in_review()
    if not routes.num_rows:
        raise RunFolderError(f"No clip of {run} goes to experts yet. Choose some with: emotrove route {run}")
    tasks = review.tasks()
    curated = curate(routes, judged(routes, tasks, review.ledger()))
    review.write_curated(curated)
    found = _account(str(run), curated)
    found.next = _next_steps(review, curated, tasks)
    return found


def _account(run: str, curated: pa.Table) -> Curation:
    names = ("status", "language", "emotion", "arm", "reason")
    counts = Counter(zip(*(curated[name].to_pylist() for name in names), strict=True))
    found = Curation(run, curated.num_rows, dict.fromkeys(STATUSES, 0))
    found.emotions = {language: {} for language in sorted({key[1] or "?" for key in counts})}
    found.arms = {arm: {} for arm in sorted({key[3] or "?" for key in counts})}
    for (status, language, emotion, arm, reason), clips in sorted(counts.items(), key=lambda item: str(item[0])):
        found.statuses[status] += clips
        _add(found.emotions[language or "?"].setdefault(status, {}), emotion or "", clips)
        _add(found.arms[arm or "?"], status, clips)
        if reason:
            _add(found.reasons.setdefault(status, {}), reason, clips)
    found.reasons = {
        status: dict(sorted(by_reason.items(), key=lambda item: (-item[1], item[0])))
        for status, by_reason in found.reasons.items()
    }
    return found


def _add(counts: dict[str, int], key: str, clips: int) -> None:
    counts[key] = counts.get(key, 0) + clips


def _next_steps(review: ReviewFolder, curated: pa.Table, tasks: pa.Table) -> list[str]:
    run = review.run
    if not review.has_settings():
        return [f"The projects are not made yet: emotrove review init {run}"]
    with_experts = {slot: set() for slot in (*EXPERT_SLOTS, ADJUDICATION)}  # type: dict[str, set[str]]
    for slot, utterance_id in zip(tasks["slot"].to_pylist(), tasks["utterance_id"].to_pylist(), strict=True):
        with_experts[slot].add(utterance_id)
    pushed = with_experts["A"] & with_experts["B"]
    waiting: Counter[str] = Counter()
    rows = zip(*(curated[name].to_pylist() for name in ("utterance_id", "status", "reason", "arm")), strict=True)
    for utterance_id, status, reason, arm in rows:
        if reason == "conflict":
            waiting["settle" if utterance_id in with_experts[ADJUDICATION] else "adjudicate"] += 1
        elif status == "pending":
            waiting["answer" if utterance_id in pushed else "push"] += 1
        elif status in ("verified", "adjudicated") and arm != "gold":
            waiting["export"] += 1
    said = {
        "push": "{n} not in Label Studio yet: emotrove review push {run}",
        "answer": "{n} with the experts; when they have answered more: emotrove review pull {run}",
        "adjudicate": "{n} on which the experts differ: emotrove review adjudicate {run}",
        "settle": "{n} with the adjudicator; when more are settled: emotrove review pull {run}",
        "export": "{n} ready for a release: emotrove export {run} OUT --verified",
    }
    return [
        text.format(n=f"{waiting[what]:,} {'clip' if waiting[what] == 1 else 'clips'}", run=run)
        for what, text in said.items()
        if waiting[what]
    ]
