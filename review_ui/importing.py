"""Putting tasks into a project, and taking them out.

An import is not idempotent, and when its answer is lost nobody says whether it was done. So it is sent once, and after an error
the server is looked at before anything is sent again.
"""

import time
from collections.abc import Sequence
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Final

from review_ui.label_config import UTTERANCE_FIELD
from review_ui.listing import pages
from review_ui.server import ONCE, LabelStudioServer, ServerUnavailable

_PAUSES_S: Final = (1.0, 2.0, 4.0, 8.0)
"""How long to wait before looking whether an import that failed was done after all; then it is sent again."""
_LONGEST_PAUSE_S: Final = 60.0
_DELETED_AT_ONCE: Final = 500


def import_tasks(
    server: LabelStudioServer, project_id: int, tasks: Sequence[dict[str, str]], after_id: int
) -> list[int]:
    """Import tasks, each exactly once, though answers may be lost.

    Parameters
    ----------
    tasks : data of the tasks, each with the utterance it is for, no utterance twice
    after_id : the highest id that a task of the project had before

    Returns
    -------
    Their ids, in the same order

    Raises
    ------
    ServerUnavailable : also after some tries; some of the tasks may be there
    ReviewServerError : the server refuses them
    """
    ids: dict[str, int] = {}
    error: ServerUnavailable | None = None
    for pause_s in (0.0, *_PAUSES_S):
        if error is not None:
            time.sleep(max(pause_s, _asked_to_wait_s(error)))
            try:
                ids = _looked_up(server, project_id, tasks, after_id)
            except ServerUnavailable as again:
                error = again
                continue
        left = [task for task in tasks if task[UTTERANCE_FIELD] not in ids]
        if not left:
            break
        try:
            ids |= _import(server, project_id, left)
            break
        except ServerUnavailable as raised:
            error = raised
    else:
        assert error is not None
        raise error
    return [ids[task[UTTERANCE_FIELD]] for task in tasks]


def _import(server: LabelStudioServer, project_id: int, tasks: Sequence[dict[str, str]]) -> dict[str, int]:
    with server.calling(f"import {len(tasks)} tasks into project {project_id}"):
        answer = server.sdk.projects.import_tasks(
            project_id,
            request=[{"data": task} for task in tasks],  # type: ignore[misc]  # the SDK's type forbids plain JSON
            return_task_ids=True,
            request_options=ONCE,
        )
    ids = getattr(answer, "task_ids", None) or []
    if len(ids) != len(tasks):
        # Other editions import later, and do not say what the ids will be.
        raise ServerUnavailable(
            f"Label Studio at {server.url}: it was given {len(tasks)} tasks for project {project_id} and names {len(ids)}. "
            "See the server's log, then run the command again: it goes on where it stopped"
        )
    return {task[UTTERANCE_FIELD]: number for task, number in zip(tasks, ids, strict=True)}


def _looked_up(
    server: LabelStudioServer, project_id: int, tasks: Sequence[dict[str, str]], after_id: int
) -> dict[str, int]:
    """The ids of those of these tasks that are there."""
    wanted = {task[UTTERANCE_FIELD] for task in tasks}
    found: dict[str, int] = {}
    for page in pages(server, project_id, after_id=after_id):
        for task in page.tasks:
            if task.utterance_id in wanted:
                found.setdefault(task.utterance_id, task.id)
    return found


def _asked_to_wait_s(error: ServerUnavailable) -> float:
    """What the server says in ``Retry-After``, in seconds."""
    headers = getattr(error.__cause__, "headers", None) or {}
    said = {name.lower(): value for name, value in headers.items()}.get("retry-after", "")
    try:
        wait_s = (
            float(said)
            if said.isdigit()
            else (parsedate_to_datetime(said) - datetime.now(timezone.utc)).total_seconds()
        )
    except ValueError:
        return 0.0
    return min(max(wait_s, 0.0), _LONGEST_PAUSE_S)


def delete_tasks(server: LabelStudioServer, project_id: int, ids: Sequence[int]) -> None:
    """Take tasks out of a project; those that are gone already are fine.

    Raises
    ------
    ReviewServerError
    """
    for start in range(0, len(ids), _DELETED_AT_ONCE):
        chosen: dict[str, Any] = {"all": False, "included": list(ids[start : start + _DELETED_AT_ONCE])}
        with server.calling(f"delete {len(chosen['included'])} tasks of project {project_id}"):
            server.sdk.actions.create(id="delete_tasks", project=project_id, selected_items=chosen)  # type: ignore[arg-type]
