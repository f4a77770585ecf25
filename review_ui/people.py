"""Who gave an answer: an e-mail address in lower case, the same on every server."""

import re
from functools import cached_property
from typing import Any, Final

from review_ui.server import LabelStudioServer

UNKNOWN: Final = "unknown"
"""Somebody whose account was deleted before the answer was pulled. Two such answers may be of one person, so they are taken to
be."""

_SHOWN = re.compile(r"(\S+@\S+), (\d+)$")  # "First Last mail@example.com, 7"


class People:
    """The users of a server, asked for only where an answer does not say enough itself."""

    def __init__(self, server: LabelStudioServer) -> None:
        self._server = server

    @cached_property
    def _email(self) -> dict[int, str]:
        with self._server.calling("list its users"):
            users = self._server.sdk.users.list()
        return {user.id: user.email.lower() for user in users if user.email}

    def annotator(self, annotation: dict[str, Any], before: str | None) -> str:
        """The address of whoever gave an answer.

        Parameters
        ----------
        annotation : as Label Studio gives it
        before : whom the ledger has for it; Label Studio forgets who answered when it deletes an account

        Raises
        ------
        ReviewServerError : the users cannot be listed
        """
        user_id = annotation["completed_by"]
        if user_id is None:
            return before or UNKNOWN
        shown = _SHOWN.search(annotation["created_username"] or "")
        if shown and int(shown[2]) == user_id:
            return shown[1].lower()
        return self._email.get(user_id) or before or UNKNOWN
