"""What a test needs that a machine may lack: on a user's machine the test skips and says why, in CI it fails."""

import os
from importlib.util import find_spec
from shutil import which

import pytest

IN_CI = os.environ.get("EMOTROVE_CI") == "1"


def missing(reason: str) -> None:
    """Skip the present test, or fail it in CI."""
    if IN_CI:
        pytest.fail(f"in CI nothing may skip: {reason}")
    pytest.skip(reason)


def require(package: str, install: str) -> None:
    """Go on only where a package is installed."""
    if find_spec(package) is None:
        missing(f"{package} is not installed: {install}")


def require_program(program: str, install: str) -> None:
    """Go on only where a program is on the PATH."""
    if which(program) is None:
        missing(f"{program} is not installed: {install}")
