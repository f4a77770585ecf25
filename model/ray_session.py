"""Joining a Ray cluster, or starting a Ray of our own on this machine."""

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Iterator
from typing import Any, TextIO, cast

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
# Ray's C++ side writes warnings to stderr, in the middle of the progress line; what matters reaches us as an exception.
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")

import ray

from manifests.errors import EmotroveError

_RAYLET = ("\x1b[33m(raylet)", "(raylet)")


class EngineError(EmotroveError):
    """Ray could not be started or joined, or gave up on the job."""


def start_ray(address: str | None, command: str, **own: Any) -> None:
    """Join the cluster at ``address``, or start a Ray here; nothing where this process has one.

    Parameters
    ----------
    command : of emotrove, as an example of a job that is submitted to a cluster
    own : options of ``ray.init`` for a Ray of our own

    Raises
    ------
    EngineError : there is no cluster at the address, or Ray does not start here
    """
    if address and address.startswith("ray://"):
        raise EngineError(
            f"The job does not run through the Ray client, so {address} cannot be used. Submit it to the cluster instead: "
            f"ray job submit --address http://HEAD:8265 -- emotrove {command} --address auto"
        )
    if ray.is_initialized():
        return
    if not isinstance(sys.stdout, _WithoutRay):
        sys.stdout = cast(TextIO, _WithoutRay(sys.stdout))
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address:
        try:
            ray.init(address=address, **common)
        except (ConnectionError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
            raise EngineError(
                f"Could not join Ray at '{address}': {error}. Check the address, and that this machine has the cluster's versions of "
                "Ray and Python"
            ) from error
        return
    try:
        with _quiet_start():
            ray.init(address="local", include_dashboard=False, **own, **common)
    except (ConnectionError, OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        raise EngineError(
            f"Could not start Ray on this machine: {error}. Check that /tmp and /dev/shm have room; Ray's own words are in "
            "/tmp/ray/session_latest/logs"
        ) from error


class _WithoutRay:
    """stdout for what a command says, which may be JSON: what Ray prints there goes to stderr.

    Ray prints warnings from a thread of its own, and those that repeat themselves when the process ends.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._line = threading.local()  # whether this thread is in a line of Ray's: print() writes its end by itself

    def write(self, text: str) -> int:
        rays = text.startswith(_RAYLET) or getattr(self._line, "rays", False)
        self._line.rays = rays and not text.endswith("\n")
        return (sys.stderr if rays else self._out).write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._out, name)


@contextlib.contextmanager
def _quiet_start() -> Iterator[None]:
    """Keep the line in which Ray's C++ side tells its log level off stderr; what goes wrong comes as an exception."""
    sys.stderr.flush()
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
