"""The servers of projects, once it is proven that the projects there are those that ``review init`` made."""

from collections.abc import Iterable
from dataclasses import dataclass

from manifests.review import Slot
from review_ui.config_change import difference
from review_ui.listing import ProjectState, state
from review_ui.projects import ConfigChanged, ProjectGone, check_marker
from review_ui.server import LabelStudioServer, NotOnServer, token_from_environment
from review_ui.settings import Project


@dataclass(frozen=True, slots=True)
class Opened:
    """A project that was found as it should be."""

    server: LabelStudioServer
    state: ProjectState


def opened(projects: Iterable[Project]) -> dict[Slot, Opened]:
    """Sign in to the server of each project with the token of its slot; slots that share both share one connection.

    Raises
    ------
    TokenRefused : a token is missing, wrong or expired
    ConfigChanged : somebody has edited the screen of a project
    NotOnServer : somebody has deleted a project, or its number is that of another
    ReviewServerError : a server cannot be used
    """
    servers: dict[tuple[str, str], LabelStudioServer] = {}
    found: dict[Slot, Opened] = {}
    for project in projects:
        token = token_from_environment(project.url, project.slot)
        server = servers.get((project.url, token))
        if server is None:
            server = servers[project.url, token] = LabelStudioServer(project.url, token)
            server.check()
        try:
            there = state(server, project.project_id)
        except NotOnServer as error:
            raise ProjectGone(project) from error
        check_marker(project, there.description)
        changed = difference(project.config, there.label_config)
        if changed is not None:
            raise ConfigChanged(project, changed)
        found[project.slot] = Opened(server, there)
    return found
