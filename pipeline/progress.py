"""Showing how a job goes: a live line for people, lines of JSON for machines."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING

from manifests.command_line import print_json
from pipeline.label import Listener, Progress

if TYPE_CHECKING:
    from rich.console import Console

JSON_EVERY_S = 5.0


@contextmanager
def listener(json: bool) -> Iterator[Listener]:
    """A listener for ``pipeline.label``; progress goes to stderr, or as JSON lines to stdout."""
    if json:
        yield _json_listener()
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(file=sys.stderr)
    latest = Progress()
    if not console.is_terminal:
        yield _plain_listener(console)
        return

    with Live(console=console, refresh_per_second=4, transient=True, get_renderable=lambda: _line(latest)):

        def listen(progress: Progress) -> None:
            nonlocal latest
            latest = progress

        yield listen


def _line(progress: Progress) -> str:
    parts = [f"[bold]{progress.stage}[/bold]"]
    if progress.stage == "labelling":
        parts += [
            f"{progress.shards_done}/{progress.shards_total} shards",
            f"{progress.rows:,} clips",
            f"{progress.hours_per_hour:,.0f} h of audio per hour",
            f"{remaining(progress)} left",
            f"{progress.rejected:,} rejected",
            f"{progress.failed:,} failed",
        ]
    return " · ".join(parts)


def remaining(progress: Progress) -> str:
    """Time left, from the share that is done; ``?`` before anything is."""
    share = progress.share
    if not share:
        return "?"
    seconds = round(progress.elapsed_s * (1 - share) / share)
    return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _plain_listener(console: "Console") -> Listener:
    """Where there is no terminal: a line when the stage changes, and one every few seconds."""
    stage, told_at = "", 0.0

    def listen(progress: Progress) -> None:
        nonlocal stage, told_at
        if progress.stage != stage or time.monotonic() - told_at >= JSON_EVERY_S:
            stage, told_at = progress.stage, time.monotonic()
            console.print(_line(progress), highlight=False, soft_wrap=True)

    return listen


def _json_listener() -> Listener:
    stage, told_at = "", 0.0

    def listen(progress: Progress) -> None:
        nonlocal stage, told_at
        if progress.stage != stage or time.monotonic() - told_at >= JSON_EVERY_S:
            stage, told_at = progress.stage, time.monotonic()
            print_json({"event": "progress", **asdict(progress), "hours_per_hour": progress.hours_per_hour})

    return listen
