"""Bringing conflicts to the third person: those on which two experts differ, and only as long as they do."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests.answers import counted, judged
from manifests.curation import curate
from manifests.review import ADJUDICATION, EXPERT_SLOTS
from manifests.review_folder import ReviewFolder
from review_ui.exclusive import exclusive
from review_ui.importing import delete_tasks
from review_ui.label_config import adjudication_data
from review_ui.listing import ServerTask, pages
from review_ui.opened import opened
from review_ui.push import Listener, MakeData, Pushed, Pusher
from review_ui.server import LabelStudioServer
from review_ui.settings import Project, ReviewSettings

Pair = tuple[dict[str, Any], dict[str, Any]]
"""Two answers, rows of JUDGED, in the order in which they are shown."""


@dataclass(slots=True)
class Adjudicated:
    """What was done."""

    pushed: Pushed
    conflicts: int  # that wait for the adjudicator
    settled: int  # clips that an adjudicator has settled
    withdrawn: int = 0  # tasks taken back, because the experts do not differ any more
    updated: int = 0  # tasks that show other answers now
    refused: list[dict[str, str]] = field(default_factory=list)  # utterance_id, annotator: of people who may not decide

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def adjudicate(review: ReviewFolder, listener: Listener = lambda done, total: None) -> Adjudicated:
    """Make the tasks of the adjudication project those of the clips in conflict, as the ledger has them now.

    A task that an adjudicator has answered or begun is left as it is.

    Raises
    ------
    RunFolderError : no review was begun, or another command writes it
    ReviewServerError : the server does not do its part, or the project was changed by hand
    """
    settings = ReviewSettings.read(review)
    project = settings.project(ADJUDICATION)
    server = opened([project])[ADJUDICATION].server
    with exclusive(review) as lease:
        routes = review.in_review()
        answers = judged(routes, review.tasks(), review.ledger())
        status = curate(routes, answers)
        waiting = status.filter(pc.equal(status["reason"], "conflict"))["utterance_id"]
        conflicts = routes.filter(pc.is_in(routes["utterance_id"], waiting.combine_chunks()))
        make_data = _make_data(project, _pairs(answers, set(waiting.to_pylist()), settings.seed))
        settled = pc.sum(pc.and_(pc.equal(answers["slot"], ADJUDICATION), answers["counts"])).as_py() or 0
        withdrawn, updated = _bring_up_to_date(server, project, routes, conflicts, make_data)
        pushed = Pusher(review, settings, lease).push(project, server, conflicts, make_data, listener)
    refused = [
        {"utterance_id": row["utterance_id"], "annotator": row["annotator"]}
        for row in answers.select(["utterance_id", "annotator", "flags"]).to_pylist()
        if "adjudicator_answered" in row["flags"]
    ]
    return Adjudicated(pushed, conflicts.num_rows, int(settled), withdrawn, updated, refused)


def _pairs(answers: pa.Table, conflicts: set[str], seed: int) -> dict[str, Pair]:
    """The answers of the experts to each clip, in an order that is drawn for the clip: which slot comes first tells nothing."""
    pairs: dict[str, Pair] = {}
    for utterance_id, by_slot in counted(answers).items():
        if utterance_id in conflicts:
            first, second = (by_slot[slot] for slot in EXPERT_SLOTS)
            drawn = hashlib.sha256(f"{seed}/answers/{utterance_id}".encode()).digest()[0] % 2
            pairs[utterance_id] = (second, first) if drawn else (first, second)
    return pairs


def _make_data(project: Project, pairs: Mapping[str, Pair]) -> MakeData:
    def make(routes: Sequence[Mapping[str, Any]], urls: Sequence[str]) -> list[dict[str, str]]:
        return [
            adjudication_data(row, url, pairs[row["utterance_id"]], project.screen)
            for row, url in zip(routes, urls, strict=True)
        ]

    return make


def _bring_up_to_date(
    server: LabelStudioServer,
    project: Project,
    routes: pa.Table,
    conflicts: pa.Table,
    make_data: MakeData,
) -> tuple[int, int]:
    """Take back the tasks without a conflict, and show the present answers in the others; returns how many of each."""
    ours = set(routes["utterance_id"].to_pylist())
    rows = {row["utterance_id"]: row for row in conflicts.to_pylist()}
    withdrawn = updated = 0
    for page in pages(server, project.project_id, annotations=True):
        idle = [task for task in page.tasks if task.utterance_id in ours and not task.is_begun]
        settled = [task.id for task in idle if task.utterance_id not in rows]
        # At once, because in the meantime somebody may begin.
        delete_tasks(server, project.project_id, settled)
        withdrawn += len(settled)
        for task in idle:
            row = rows.get(task.utterance_id or "")
            if row is not None and _update(server, project, task, make_data([row], [task.data["audio"]])[0]):
                updated += 1
    return withdrawn, updated


def _update(server: LabelStudioServer, project: Project, task: ServerTask, data: dict[str, str]) -> bool:
    if task.data == data:
        return False
    with server.calling(f"update task {task.id} of {project}"):
        server.sdk.tasks.update(str(task.id), data=data)
    return True
