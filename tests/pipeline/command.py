"""Running the real command, in a process of its own or in this one."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from pipeline.cli import app

EMOTROVE = [sys.executable, "-m", "pipeline.cli"]


def emotrove(
    *args: str | Path, env: dict[str, str] | None = None, timeout_s: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run to the end; the exit code is for the caller to judge."""
    return subprocess.run(
        [*EMOTROVE, *map(str, args)], capture_output=True, text=True, env=env, timeout=timeout_s, check=False
    )


def last_event(finished: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The ``end`` event of a labelling command run with ``--json``."""
    assert finished.returncode == 0, finished.stderr
    event = json.loads(finished.stdout.splitlines()[-1])
    assert event["event"] == "end"
    return dict(event)


def cli(*args: object) -> Result:
    """The command in this process, which has a Ray already."""
    return CliRunner().invoke(app, [str(arg) for arg in args], catch_exceptions=False)
