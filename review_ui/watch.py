"""Pulling again and again while the experts work."""

import threading
from collections.abc import Callable
from typing import Final

from manifests.errors import EmotroveError, RunLocked
from review_ui.pull import PullIncomplete
from review_ui.server import ServerUnavailable

_LATER: Final = (ServerUnavailable, RunLocked, PullIncomplete)
"""What is over by itself: a server that restarts, another command that writes the review, answers faster than they are read."""


def watch(
    pull_once: Callable[[], None],
    every_s: float,
    *,
    hint: threading.Event | None = None,
    excuse: Callable[[EmotroveError], None] = lambda error: None,
) -> None:
    """Pull now, and again after each ``every_s`` seconds or when ``hint`` is set, until interrupted.

    Parameters
    ----------
    excuse : is told what kept a pull from being made, once as long as it lasts; the next turn tries again

    Raises
    ------
    EmotroveError : what will not be over by itself
    """
    wake = hint or threading.Event()
    told: type[EmotroveError] | None = None
    try:
        while True:
            wake.clear()  # before the pull: a hint that comes during it may be about something it has passed
            try:
                pull_once()
                told = None
            except _LATER as error:
                if type(error) is not told:
                    told = type(error)
                    excuse(error)
            wake.wait(every_s)
    except KeyboardInterrupt:
        return
