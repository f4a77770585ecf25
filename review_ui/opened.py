"""The server of a project, once it is proven that the project there is the one that ``review init`` made."""

from review_ui.config_change import server_config_changed
from review_ui.projects import ConfigChanged
from review_ui.server import LabelStudioServer
from review_ui.settings import Project


def opened(project: Project) -> LabelStudioServer:
    """Sign in to the server of a project with the token of its slot.

    Raises
    ------
    TokenRefused : the token is missing, wrong or expired
    ConfigChanged : somebody has edited the project's screen
    NotOnServer : somebody has deleted the project
    ReviewServerError : the server cannot be used
    """
    server = LabelStudioServer.from_environment(project.url, project.slot)
    server.check()
    changed = server_config_changed(server, project)
    if changed is not None:
        raise ConfigChanged(project, changed)
    return server
