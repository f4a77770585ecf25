"""The map from utterances to tasks, kept right against the server, which has the last word on what is there."""

from collections.abc import Set
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests.review import ADJUDICATION, TASKS
from manifests.review_folder import ReviewFolder
from review_ui.importing import delete_tasks
from review_ui.listing import pages
from review_ui.server import LabelStudioServer
from review_ui.settings import Clips, Project


@dataclass(slots=True)
class Checked:
    """What a look at the server found and put right."""

    present: dict[str, int] = field(default_factory=dict)  # task by utterance
    tasks: int = 0  # of the project in all, those of others too
    highest_id: int = 0
    adopted: int = 0  # tasks of ours that the map lacked
    removed: int = 0  # further tasks of an utterance, which nobody had begun
    deleted: list[str] = field(default_factory=list)  # utterances whose task was deleted in Label Studio
    begun_twice: list[str] = field(default_factory=list)  # utterances of which several tasks were answered or begun


class TaskMap:
    """The tasks of one project."""

    def __init__(self, review: ReviewFolder, project: Project, server: LabelStudioServer, clips: Clips) -> None:
        self._review = review
        self._project = project
        self._server = server
        self._clips = clips
        rows = review.tasks([project.slot])
        rows = rows.filter(pc.equal(rows["project_id"], project.project_id))
        self._known = set(zip(rows["utterance_id"].to_pylist(), rows["task_id"].to_pylist(), strict=True))

    def check(self, wanted: Set[str]) -> Checked:
        """Compare the map with the server, and mend both.

        A task that the map lacks is taken into it: a push was killed after the import and before the map. Of several tasks of an
        utterance the one that somebody has begun stays, else the one in the map, else the oldest.

        Parameters
        ----------
        wanted : the utterances that should have a task

        Raises
        ------
        ReviewServerError
        """
        checked = Checked()
        tasks: dict[str, list[int]] = {}
        audio: dict[int, str] = {}  # of tasks that the map lacks
        for page in pages(self._server, self._project.project_id):
            for task in page.tasks:
                checked.tasks += 1
                checked.highest_id = task.id
                utterance_id = task.utterance_id
                if utterance_id is not None and utterance_id in wanted:
                    tasks.setdefault(utterance_id, []).append(task.id)
                    if (utterance_id, task.id) not in self._known:
                        audio[task.id] = str(task.data.get("audio"))
        checked.deleted = sorted({utterance for utterance, _ in self._known if utterance in wanted} - tasks.keys())
        self._remove_doubles({utterance: ids for utterance, ids in tasks.items() if len(ids) > 1}, checked)
        checked.present |= {utterance: ids[0] for utterance, ids in tasks.items() if len(ids) == 1}
        lacking = {u: task for u, task in checked.present.items() if (u, task) not in self._known}
        clips = {u: audio[task].removeprefix(self._clips.prefix) for u, task in lacking.items()}
        self.add(lacking, clips)
        checked.adopted = len(lacking)
        return checked

    def _remove_doubles(self, tasks: dict[str, list[int]], checked: Checked) -> None:
        ids = [task for several in tasks.values() for task in several]
        begun: set[int] = set()
        for start in range(0, len(ids), 500):
            found = pages(self._server, self._project.project_id, annotations=True, ids=ids[start : start + 500])
            begun.update(task.id for page in found for task in page.tasks if task.is_begun)
        superfluous: list[int] = []
        for utterance_id, several in tasks.items():
            best = min(several, key=lambda task: (task not in begun, (utterance_id, task) not in self._known, task))
            checked.present[utterance_id] = best
            superfluous += [task for task in several if task != best and task not in begun]
            if sum(task in begun for task in several) > 1:
                checked.begun_twice.append(utterance_id)
        delete_tasks(self._server, self._project.project_id, superfluous)
        checked.removed = len(superfluous)
        checked.tasks -= len(superfluous)

    def add(self, tasks: dict[str, int], clips: dict[str, str]) -> None:
        """Write tasks into the map.

        Parameters
        ----------
        tasks : id by utterance
        clips : name of the clip by utterance
        """
        # SQLite gives the number of a deleted task away again, and the same line twice would count an answer twice.
        new = {utterance: task for utterance, task in tasks.items() if (utterance, task) not in self._known}
        if not new:
            return
        now = datetime.now(timezone.utc)
        rows: list[dict[str, Any]] = [
            {
                "slot": self._project.slot,
                "utterance_id": utterance_id,
                "project_id": self._project.project_id,
                "task_id": task,
                "clip": clips[utterance_id],
                "show_machine": self._project.show_machine and self._project.slot != ADJUDICATION,
                "pushed_at": now,
            }
            for utterance_id, task in new.items()
        ]
        self._review.append_tasks(self._project.slot, pa.Table.from_pylist(rows, schema=TASKS))
        self._known.update(new.items())
