"""A run whose clips two experts have answered, as push and pull would leave it."""

import datetime as dt
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from manifests.review import ADJUDICATION, LEDGER, ROUTES, SLOTS, TASKS
from manifests.review_folder import ReviewFolder
from tests.pipeline.small_run import a_vote, finished_run

MONDAY = dt.datetime(2026, 1, 12, 12, tzinfo=dt.timezone.utc)
ANN, BOB, CY = "ann@example.org", "bob@example.org", "cy@example.org"


@dataclass(frozen=True)
class Answered:
    """One clip and what was said of it. A slot without an answer was pushed and is open."""

    a: str | None
    b: str | None
    people: tuple[str, str] = (ANN, BOB)
    source: str | None = None
    arm: str = "selected"
    language: str | None = "en"
    gold: str | None = None
    machine: str | None = None
    votes: dict[str, str] = field(default_factory=dict)
    shown: tuple[bool, bool] = (False, False)
    lead_time_s: float = 6.0
    days: int = 0  # from MONDAY to the answer in B; that in A is given on the day before
    ruling: tuple[str, str] | None = None  # adjudicator and answer


def answered_run(folder: Path, clips: list[Answered]) -> ReviewFolder:
    """Clip n is ``u00000n``, of 3 s."""
    ids = [f"u{n:06d}" for n in range(len(clips))]
    run = finished_run(
        folder,
        [
            {"utterance_id": key, "shard": "EN-0", "position": n, "duration_s": 3.0}
            | {"votes": [a_vote(emotion, voter=voter) for voter, emotion in clip.votes.items()]}
            for n, (key, clip) in enumerate(zip(ids, clips, strict=True))
        ],
    )
    review = ReviewFolder(run)
    review.append_decided(
        pa.Table.from_pylist(
            [
                {"utterance_id": key, "shard": "EN-0", "position": n, "decision": "review", "reason": clip.arm}
                | {"arm": clip.arm, "language": clip.language, "emotion": clip.machine, "gold_emotion": clip.gold}
                | {"source_id": clip.source, "duration_s": 3.0, "round": 0, "seed": 0}
                for n, (key, clip) in enumerate(zip(ids, clips, strict=True))
            ],
            schema=ROUTES,
        )
    )
    answers = []
    for project, slot in enumerate(SLOTS):
        tasks = []
        for n, (key, clip) in enumerate(zip(ids, clips, strict=True)):
            if slot == ADJUDICATION and clip.ruling is None:
                continue
            place = {"slot": slot, "utterance_id": key, "project_id": project, "task_id": 1_000_000 * project + n}
            shown = slot != ADJUDICATION and clip.shown[project]
            tasks.append({**place, "clip": f"{key}.wav", "show_machine": shown, "pushed_at": MONDAY})
            if slot == ADJUDICATION:
                person, answer = clip.ruling or ("", "")
            else:
                person, answer = clip.people[project], (clip.a, clip.b)[project]
            at = MONDAY + dt.timedelta(days=clip.days + project - 1)
            if answer is not None:
                answers.append(
                    {**place, "seq": len(answers), "annotation_id": len(answers), "state": "submitted"}
                    | {"annotator": person, "answer": answer, "lead_time_s": clip.lead_time_s, "reason": "heard twice"}
                    | {"created_at": at, "updated_at": at, "pulled_at": at}
                )
        if tasks:
            review.append_tasks(slot, pa.Table.from_pylist(tasks, schema=TASKS))
    if answers:
        review.append_ledger(pa.Table.from_pylist(answers, schema=LEDGER))
    return review
