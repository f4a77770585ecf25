"""Giving clips to the experts: cut, served, and imported as tasks, each utterance exactly once in each slot."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import InputError, RunFolderError
from manifests.lease import Lease
from manifests.review import EXPERT_SLOTS
from manifests.review_folder import ReviewFolder
from review_ui.clips import ClipFolder
from review_ui.exclusive import exclusive, still_held
from review_ui.importing import import_tasks
from review_ui.label_config import task_data, validate_task
from review_ui.listing import state
from review_ui.opened import opened
from review_ui.server import LabelStudioServer, ReviewServerError
from review_ui.settings import Project, ReviewSettings
from review_ui.task_map import TaskMap

BATCH_SIZE: Final = 500
_LOOKS: Final = 3  # at the server, until it holds what it should

Listener = Callable[[int, int], None]
"""Called with the number of tasks that are there and the number in all."""

MakeData = Callable[[Sequence[Mapping[str, Any]], Sequence[str]], list[dict[str, str]]]
"""Data of the tasks from rows of ROUTES and the URLs of their clips."""


@dataclass(slots=True)
class Pushed:
    """What was done for one slot."""

    slot: str
    wanted: int = 0  # utterances that should be there
    there: int = 0  # that are there now, each once
    new: int = 0  # imported by this command
    adopted: int = 0  # were there, and the map did not know: an earlier push was killed
    deleted: int = 0  # had been deleted in Label Studio, and were imported again
    removed: int = 0  # further tasks of one utterance, which nobody had begun
    begun_twice: list[str] = field(default_factory=list)  # utterances of which several tasks were answered or begun
    left_out: dict[str, str] = field(default_factory=dict)  # why, by utterance

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class PushIncomplete(ReviewServerError):
    """The server does not hold what was imported."""


class _Pace:
    """At most so many tasks in a second."""

    def __init__(self, tasks_per_s: float | None) -> None:
        self._tasks_per_s = tasks_per_s
        self._next = time.monotonic()

    def wait(self, tasks: int) -> None:
        if self._tasks_per_s is None:
            return
        time.sleep(max(0.0, self._next - time.monotonic()))
        self._next = max(self._next, time.monotonic()) + tasks / self._tasks_per_s


@dataclass(slots=True)
class _Batch:
    """Tasks that are ready to be imported."""

    tasks: list[dict[str, str]] = field(default_factory=list)
    clips: dict[str, str] = field(default_factory=dict)  # name by utterance
    left_out: dict[str, str] = field(default_factory=dict)


class Pusher:
    """Pushes to the projects of one run.

    Parameters
    ----------
    lease : of the review, held by the caller
    batch_size : tasks in one import
    max_rate : tasks in a second at most; None for as fast as the server takes them
    """

    def __init__(
        self,
        review: ReviewFolder,
        settings: ReviewSettings,
        lease: Lease,
        *,
        batch_size: int = BATCH_SIZE,
        max_rate: float | None = None,
    ) -> None:
        self._review = review
        self._settings = settings
        self._lease = lease
        self._clips = ClipFolder(settings.clips.folder, bytes.fromhex(settings.clips.key))
        self._batch_size = batch_size if max_rate is None else min(batch_size, max(1, round(max_rate)))
        self._pace = _Pace(max_rate)

    def push(
        self,
        project: Project,
        server: LabelStudioServer,
        routes: pa.Table,
        make_data: MakeData,
        listener: Listener = lambda done, total: None,
    ) -> Pushed:
        """Make sure that each of these utterances has one task in a project.

        A kill at any moment does no harm: the next push looks at what is there first.

        Parameters
        ----------
        routes : ROUTES, each utterance once; imported in an order of this slot's own, so that the place of a clip tells nothing
        make_data : of the tasks

        Raises
        ------
        ReviewServerError : the server does not do its part
        PushIncomplete : it holds something else than what was imported, also after looking again
        """
        places = {utterance_id: at for at, utterance_id in enumerate(routes["utterance_id"].to_pylist())}
        order = sorted(places, key=lambda utterance_id: _rank(self._settings.seed, project.slot, utterance_id))
        pushed = Pushed(project.slot, len(order))
        task_map = TaskMap(self._review, project, server, self._settings.clips)
        for look in range(_LOOKS):
            checked = task_map.check(places.keys())
            pushed.adopted += checked.adopted
            pushed.removed += checked.removed
            pushed.begun_twice = checked.begun_twice
            pushed.deleted += 0 if look else len(checked.deleted)
            pushed.there = len(checked.present)
            listener(pushed.there, pushed.wanted)
            missing = [one for one in order if one not in checked.present and one not in pushed.left_out]
            batches = [
                routes.take([places[one] for one in missing[start : start + self._batch_size]])
                for start in range(0, len(missing), self._batch_size)
            ]
            with ThreadPoolExecutor(1, thread_name_prefix="map") as writer:
                last_id, written = checked.highest_id, None
                for batch in self._prepared(project, batches, make_data):
                    still_held(self._lease, self._review)
                    pushed.left_out |= batch.left_out
                    if batch.tasks:
                        self._pace.wait(len(batch.tasks))
                        ids = import_tasks(server, project.project_id, batch.tasks, last_id)
                        if written is not None:
                            written.result()
                        # While the next batch is imported; what a kill keeps out of the map the next push takes into it.
                        written = writer.submit(task_map.add, dict(zip(batch.clips, ids, strict=True)), batch.clips)
                        last_id = max(last_id, *ids)
                        pushed.new += len(ids)
                        pushed.there += len(ids)
                    listener(pushed.there, pushed.wanted)
                if written is not None:
                    written.result()
            # A task too many or too few shows in the number of all.
            imported = pushed.there - len(checked.present)
            if not imported or state(server, project.project_id).tasks == checked.tasks + imported:
                return pushed
        raise PushIncomplete(
            f"{project} does not hold the tasks that were imported: something else adds or deletes tasks. "
            "When that has ended, run the command again"
        )

    def _prepared(self, project: Project, batches: Sequence[pa.Table], make_data: MakeData) -> Iterator[_Batch]:
        """The batches with their clips in place; the next is cut while the one before is imported."""
        with ThreadPoolExecutor(1, thread_name_prefix="cutting") as pool:
            ahead: Future[_Batch] | None = None
            for number in range(len(batches)):
                present = ahead or pool.submit(self._prepare, project, batches[number], make_data)
                batch = present.result()
                ahead = None
                if number + 1 < len(batches):
                    ahead = pool.submit(self._prepare, project, batches[number + 1], make_data)
                yield batch

    def _prepare(self, project: Project, routes: pa.Table, make_data: MakeData) -> _Batch:
        rows = routes.to_pylist()
        batch = _Batch(left_out=self._clips.add(rows))
        rows = [row for row in rows if row["utterance_id"] not in batch.left_out]
        names = [self._clips.name(row) for row in rows]
        made = make_data(rows, [self._settings.clips.url(name) for name in names])
        config = project.config
        for row, name, data in zip(rows, names, made, strict=True):
            try:
                validate_task(data, config)
            except InputError as error:
                batch.left_out[row["utterance_id"]] = str(error)
            else:
                batch.tasks.append(data)
                batch.clips[row["utterance_id"]] = name
        return batch


def _rank(seed: int, slot: str, utterance_id: str) -> bytes:
    """Where an utterance comes in the order of a slot: as if drawn, and the same after a kill."""
    return hashlib.sha256(f"{seed}/{slot}/{utterance_id}".encode()).digest()


def push(
    review: ReviewFolder,
    *,
    batch_size: int = BATCH_SIZE,
    max_rate: float | None = None,
    listener: Listener = lambda done, total: None,
) -> list[Pushed]:
    """Give every clip in review to the experts of both slots.

    Parameters
    ----------
    batch_size : tasks in one import
    max_rate : tasks in a second at most; None for as fast as the server takes them

    Returns
    -------
    What was done for each slot

    Raises
    ------
    RunFolderError : no review was begun, nothing was routed, another command writes the review
    ReviewServerError : a server does not do its part, or a project was changed by hand
    """
    settings = ReviewSettings.read(review)
    routes = review.in_review()
    if not routes.num_rows:
        raise RunFolderError(
            f"{review.run} has no clip for the experts yet. Choose some with: emotrove route {review.run}"
        )
    projects = {slot: settings.project(slot) for slot in EXPERT_SLOTS}
    at = opened(projects.values())  # all, before anything is done
    with exclusive(review) as lease:
        pusher = Pusher(review, settings, lease, batch_size=batch_size, max_rate=max_rate)
        found: list[Pushed] = []
        for slot, project in projects.items():
            before = sum(one.wanted for one in found)
            found.append(
                pusher.push(
                    project,
                    at[slot].server,
                    routes,
                    expert_data(review, project),
                    lambda done, wanted, before=before: listener(before + done, wanted * len(projects)),  # type: ignore[misc]
                )
            )
    return found


def expert_data(review: ReviewFolder, project: Project) -> MakeData:
    """How the data of an expert's task is made."""

    def make(routes: Sequence[Mapping[str, Any]], urls: Sequence[str]) -> list[dict[str, str]]:
        rationales = _rationales(review, [row["utterance_id"] for row in routes]) if project.show_machine else {}
        return [
            task_data(
                row,
                url,
                project.screen,
                show_machine=project.show_machine,
                rationale=rationales.get((row["shard"], row["position"])),
            )
            for row, url in zip(routes, urls, strict=True)
        ]

    return make


def _rationales(review: ReviewFolder, utterances: Sequence[str]) -> dict[tuple[str, int], str]:
    """What the machine gave as its reasons, by shard and position."""
    rows = review.run.dataset(["labeled"]).to_table(
        columns={name: pc.field(name) for name in ("shard", "position")} | {"text": pc.field("rationale", "text")},
        filter=pc.field("utterance_id").isin(list(utterances)),
    )
    return {(row["shard"], row["position"]): row["text"] for row in rows.to_pylist()}
