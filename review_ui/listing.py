"""What a project on a server holds: its tasks and their annotations, page by page, complete or an error.

The pages of Label Studio are numbered, so a task that is deleted while they are read shifts the next ones and one is
missed; and its SDK takes any 404 for the end. So each page asks for the tasks behind the last one, by id.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Final

from review_ui.label_config import UTTERANCE_FIELD
from review_ui.server import LabelStudioServer, ReviewServerError

_PAGE: Final = 500
# Naming the fields halves the time the server takes; the names hold for tasks and annotations alike.
_TASK: Final = ("id", "data", "updated_at")
_ANNOTATION: Final = (
    "annotations", "result", "completed_by", "created_username", "was_cancelled", "lead_time", "created_at", "draft_exists"
)  # fmt: skip

_TIME: Final = "%Y-%m-%dT%H:%M:%S.%fZ"  # UTC; the server fails on any other form
_SETTLED_S: Final = 60.0
"""A change may become visible so long after the time that the server gives it: a slow transaction, clocks that differ."""


@dataclass(frozen=True, slots=True)
class ServerTask:
    """A task as it is on the server."""

    id: int
    data: dict[str, Any]
    updated_at: datetime
    annotations: list[dict[str, Any]]  # Label Studio's own, skipped ones too; empty where they were not asked for
    has_draft: bool  # somebody is at it; false where annotations were not asked for

    @property
    def utterance_id(self) -> str | None:
        """What the task says it is; None where it is none of ours."""
        found = self.data.get(UTTERANCE_FIELD)
        return found if isinstance(found, str) else None

    @property
    def is_begun(self) -> bool:
        """Whether somebody has answered it or is about to."""
        return bool(self.annotations) or self.has_draft


@dataclass(frozen=True, slots=True)
class Page:
    """Some tasks, by id."""

    tasks: list[ServerTask]
    behind: int  # tasks that are still to come
    settled: datetime  # all changes up to this time were visible when the page was made


@dataclass(frozen=True, slots=True)
class ProjectState:
    """A project as its server has it."""

    tasks: int
    annotations: int  # skipped ones too
    label_config: str
    description: str


def state(server: LabelStudioServer, project_id: int) -> ProjectState:
    """What a project says of itself, its screen, and the server's own count of what it holds.

    Raises
    ------
    NotOnServer : the project was deleted in Label Studio
    ReviewServerError
    """
    found, _ = server.get_json("/api/dm/project", project=project_id)
    try:
        return ProjectState(
            int(found["task_count"]),
            int(found["annotation_count"]),
            str(found["label_config"]),
            found["description"] or "",
        )
    except (KeyError, TypeError, ValueError):
        raise _strange(server, "/api/dm/project") from None


def pages(
    server: LabelStudioServer,
    project_id: int,
    *,
    annotations: bool = False,
    after_id: int = 0,
    since: datetime | None = None,
    ids: Sequence[int] | None = None,
) -> Iterator[Page]:
    """The tasks of a project, by id; there is always one page, be it empty.

    Parameters
    ----------
    annotations : read these and whether there are drafts too, which takes several times as long
    after_id : only tasks with a higher id
    since : only tasks that were changed later; giving, editing and deleting an answer changes its task
    ids : only these

    Raises
    ------
    ReviewServerError : a page cannot be had, or holds fewer tasks than the server says
    """
    while True:
        conditions = [_condition("id", "greater", "Number", after_id)]
        if since is not None:
            conditions.append(_condition("updated_at", "greater", "Datetime", since.strftime(_TIME)))
        if ids is not None:
            conditions.append(_condition("id", "in_list", "List", list(ids)))
        body, headers = server.get_json(
            "/api/tasks",
            project=project_id,
            page=1,
            page_size=_PAGE,
            resolve_uri="false",
            fields="all" if annotations else "task_only",
            include=",".join([*_TASK, *(_ANNOTATION if annotations else ())]),
            query=json.dumps({"filters": {"conjunction": "and", "items": conditions}, "ordering": ["tasks:id"]}),
        )
        try:
            total = int(body["total"])
            tasks = [_task(row) for row in body["tasks"]]
        except (KeyError, TypeError, ValueError):
            raise _strange(server, "/api/tasks") from None
        if len(tasks) < min(total, _PAGE):
            raise ReviewServerError(
                f"Label Studio at {server.url} gave {len(tasks)} of {total} tasks of project {project_id} and says that is "
                "a full page. Run the command again; if it stays so, look at what stands between: a proxy, a cache"
            )
        yield Page(tasks, total - len(tasks), _settled(headers.get("Date")))
        if total <= _PAGE:
            return
        after_id = tasks[-1].id


def _condition(field: str, operator: str, kind: str, value: Any) -> dict[str, Any]:
    return {"filter": f"filter:tasks:{field}", "operator": operator, "type": kind, "value": value}


def _task(row: dict[str, Any]) -> ServerTask:
    data = row["data"] if isinstance(row["data"], dict) else {}
    annotations = list(row.get("annotations") or ())
    return ServerTask(int(row["id"]), data, instant(row["updated_at"]), annotations, bool(row.get("draft_exists")))


def instant(text: str) -> datetime:
    """A time as Label Studio writes it."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone(timezone.utc)


def _settled(date: str | None) -> datetime:
    # The server's own clock, because it is the one that dates the changes.
    now = parsedate_to_datetime(date) if date else datetime.now(timezone.utc)
    return now - timedelta(seconds=_SETTLED_S)


def _strange(server: LabelStudioServer, path: str) -> ReviewServerError:
    return ReviewServerError(
        f"{server.url}{path} answers, but not as Label Studio does. Check the URL, and that Label Studio is 1.20 or newer"
    )
