"""The projects of a review on their servers: made once, found again, and put back when somebody has changed them."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from manifests.errors import ConfigError
from manifests.review import ADJUDICATION, SLOTS, Slot
from manifests.review_folder import ReviewFolder
from review_ui.clip_storage import clips_in, connect
from review_ui.config_change import server_config_changed
from review_ui.exclusive import exclusive
from review_ui.guidelines import instruction
from review_ui.screen_words import Screen
from review_ui.server import ONCE, LabelStudioServer, NotOnServer, ReviewServerError
from review_ui.settings import Project, ReviewSettings

if TYPE_CHECKING:
    from label_studio_sdk._extensions.pager_ext import SyncPagerExt

Did = Literal["made", "found", "there", "repaired"]
"""What ``init`` did about a project: made it; found it after a kill, or on a server that has moved; left it; put it back."""

LONGEST_TITLE: Final = 32  # Label Studio takes 50, and the slot follows

_SLOT_NAMES: Final[dict[Slot, str]] = {"A": "expert A", "B": "expert B", ADJUDICATION: "adjudication"}
_HELD: Final[dict[str, Any]] = {
    "sampling": "Sequential sampling",  # the order of the push
    "maximum_annotations": 1,
    "show_collab_predictions": False,
    "show_annotation_history": False,
    "show_skip_button": False,  # "unsure" is the way to skip
    "enable_empty_annotation": False,
}
"""Settings of every project that ``init`` watches over; title and instruction are the lead's to change."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the user asked ``init`` for; None leaves what is recorded, or takes the default."""

    url: str | None = None
    url_b: str | None = None
    screen: Screen | None = None
    show_machine: bool | None = None
    title: str | None = None
    document_root: Path | None = None
    clips: str | None = None
    seed: int | None = None
    repair: bool = False


def init(
    review: ReviewFolder, wanted: Wanted, listener: Callable[[Slot, Did], None] = lambda slot, did: None
) -> ReviewSettings:
    """Make the projects of a run, or make sure that they are as they were made.

    May be killed at any moment and run again: a project is recorded once it is there, and one that was made but not
    recorded is recognized by a line in its description.

    Parameters
    ----------
    listener : called after each project

    Raises
    ------
    RunFolderError : not a run; the review was made with another screen or seed; another command is at work on it
    ConfigError : what was asked for cannot be
    ReviewServerError : a server cannot be used, or somebody has changed a project there
    """
    review.run.require()
    with exclusive(review):
        settings = _settings(review, wanted)
        urls = _urls(settings, wanted)
        servers = {slot: LabelStudioServer.from_environment(urls[slot], slot) for slot in SLOTS}
        for server in servers.values():
            server.check()  # all of them before anything is made anywhere
        settings.write(review)
        for slot, server in servers.items():
            did = _ensure(review, settings, server, slot, wanted)
            connect(server, settings.project(slot), settings.clips)
            listener(slot, did)
    return settings


def _settings(review: ReviewFolder, wanted: Wanted) -> ReviewSettings:
    clips = wanted.clips or review.store.path("review/clips")
    if not review.has_settings():
        return ReviewSettings(
            review_id=secrets.token_hex(8),
            seed=wanted.seed or 0,
            screen=wanted.screen or "both",
            show_machine=bool(wanted.show_machine),
            clips=clips_in(clips, wanted.document_root, secrets.token_hex(16)),
        )
    settings = ReviewSettings.read(review)
    for option, now, asked in (
        ("--screen", settings.screen, wanted.screen),
        ("--show-machine", settings.show_machine, wanted.show_machine),
        ("--seed", settings.seed, wanted.seed),
    ):
        if asked is not None and asked != now:
            raise ConfigError(
                f"This review was begun with {option} {now}, and its answers must stay comparable: leave the option out. "
                "For another screen use another run"
            )
    if wanted.clips or wanted.document_root:
        settings.clips = clips_in(clips, wanted.document_root, settings.clips.key)
    return settings


def _urls(settings: ReviewSettings, wanted: Wanted) -> dict[Slot, str]:
    known = {slot: project.url for slot, project in settings.projects.items()}
    first = wanted.url or known.get("A")
    if first is None:
        raise ConfigError("Say where Label Studio is: --url http://localhost:8080")
    b_alone = "B" in known and known["B"] != known.get("A")
    return {"A": first, "B": wanted.url_b or (known["B"] if b_alone else first), ADJUDICATION: first}


def _ensure(
    review: ReviewFolder, settings: ReviewSettings, server: LabelStudioServer, slot: Slot, wanted: Wanted
) -> Did:
    recorded = settings.projects.get(slot)
    if recorded is not None and recorded.url == server.url:
        try:
            return _hold(server, recorded, wanted.repair)
        except NotOnServer:
            if not wanted.repair:
                raise
    draft = settings.described(slot, server.url, 0, f"{_title(review, settings, wanted)} · {_SLOT_NAMES[slot]}")
    found = _marked(server, draft.marker)
    if found is None and recorded is not None and not wanted.repair:
        raise ReviewServerError(
            f"The {recorded} is not on {server.url}. Leave --url out to go on there; if Label Studio has lost it, make an "
            "empty one with --repair, then push again"
        )
    project_id, title = found or (_make_new(review, server, draft), draft.title)
    project = settings.add(slot, server.url, project_id, title)
    settings.write(review)
    if found is None:
        return "made"
    _hold(server, project, wanted.repair)
    return "found"


def _title(review: ReviewFolder, settings: ReviewSettings, wanted: Wanted) -> str:
    if wanted.title is None:
        return Path(review.store.path().rstrip("/")).name[:LONGEST_TITLE]
    title = " ".join(wanted.title.split())
    if not 1 <= len(title) <= LONGEST_TITLE:
        raise ConfigError(f"A --title has 1 to {LONGEST_TITLE} signs, '{title}' has {len(title)}")
    return title


def _marked(server: LabelStudioServer, marker: str) -> tuple[int, str] | None:
    """Id and title of the project whose description has this line."""
    with server.calling("list its projects"):
        pager: SyncPagerExt[Any] = server.sdk.projects.list(page_size=100)
        projects = list(pager)
        if pager.response is not None and len(projects) != pager.response.count:
            # The SDK takes any 404 for the last page; a project that was not seen would be made twice.
            raise ReviewServerError(
                f"Label Studio at {server.url} listed {len(projects)} of {pager.response.count} projects. Run it again"
            )
    found = [(p.id, p.title or "") for p in projects if _has_line(p.description, marker)]
    if len(found) > 1:
        ids = ", ".join(str(number) for number, _ in found)
        raise ReviewServerError(
            f"Label Studio at {server.url} has several projects with '{marker}' in their description ({ids}). "
            "Take that line out of all but the one that the experts use"
        )
    return found[0] if found else None


def _make_new(review: ReviewFolder, server: LabelStudioServer, draft: Project) -> int:
    """Make a project under a number that this slot never had, and return it.

    A server that is set up anew counts from 1 again. Under the number of a lost project the next pull would take the answers
    that were pulled from that one for deleted.
    """
    had = set(review.tasks([draft.slot])["project_id"].to_pylist())
    made = [_make(server, draft)]
    while made[-1] in had:  # the next before the last is deleted, because SQLite gives a number away again
        made.append(_make(server, draft))
    for superfluous in made[:-1]:
        with server.calling(f"delete project {superfluous}"):
            server.sdk.projects.delete(superfluous)
    return made[-1]


def _make(server: LabelStudioServer, draft: Project) -> int:
    with server.calling(f"make the project '{draft.title}'"):
        made = server.sdk.projects.create(
            title=draft.title,
            description=f"Made by emotrove, which finds it by the next line. Do not change that line.\n{draft.marker}",
            label_config=draft.config,
            expert_instruction=instruction(draft.slot, draft.screen),
            show_instruction=True,
            request_options=ONCE,
            **_HELD,
        )
    if made.id is None:
        raise ReviewServerError(f"Label Studio at {server.url} made the project '{draft.title}' without an id")
    return made.id


def _hold(server: LabelStudioServer, project: Project, repair: bool) -> Did:
    """Make sure that a project is as it was made, or put it back."""
    try:
        with server.calling(f"read {project}"):
            now = server.sdk.projects.get(project.project_id)
    except NotOnServer as error:
        raise ProjectGone(project) from error
    check_marker(project, now.description)
    changed = server_config_changed(server, project)
    drifted = {name: value for name, value in _HELD.items() if getattr(now, name, None) != value}
    if changed is None and not drifted:
        return "there"
    if not repair:
        raise ConfigChanged(project, changed, drifted)
    with server.calling(f"put back {project}"):
        server.sdk.projects.update(project.project_id, label_config=project.config, **drifted)
    return "repaired"


def check_marker(project: Project, description: str | None) -> None:
    """Make sure that what a server has under the number of a project is that project.

    Raises
    ------
    AnotherProject : it is not
    """
    if not _has_line(description, project.marker):
        raise AnotherProject(
            f"What is at {project.page} is another project than the one that was made for slot {project.slot}: its "
            f"description lacks the line '{project.marker}'. If somebody took that line out, put it back; if Label Studio was "
            "set up anew, make empty projects with: emotrove review init RUN --repair, then push again"
        )


def _has_line(description: str | None, line: str) -> bool:
    return line in (description or "").splitlines()


class ProjectGone(NotOnServer):
    """A project was deleted, or its server was set up anew."""

    def __init__(self, project: Project) -> None:
        super().__init__(
            f"The {project} was deleted in Label Studio. What was pulled is in the ledger. Make an empty one in its place with: "
            "emotrove review init RUN --repair, then push again"
        )


class AnotherProject(NotOnServer):
    """The number of a project belongs to another one: the server was set up anew."""


class ConfigChanged(ReviewServerError):
    """Somebody has changed a project in Label Studio in a way that matters."""

    def __init__(self, project: Project, config: str | None, settings: Mapping[str, Any] | None = None) -> None:
        told = [f"its screen is now {config}"] if config else []
        told += [f"{name} is no longer {value}" for name, value in (settings or {}).items()]
        super().__init__(
            f"The {project} was changed by hand: {'; '.join(told)}. Put it back with: emotrove review init RUN --repair"
        )
