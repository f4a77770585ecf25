"""One job at a time on a run folder, on any store, without a server.

The holder writes ``lease.json`` and refreshes it. A lease is dead when its process on this host is gone, or when it
was not refreshed for a while; then the next job takes it over. Each lease carries a token, so that what is left of a
killed job can see that the run is no longer its own (``is_held_by``).
"""

import contextlib
import json
import socket
import threading
import time
import uuid
from pathlib import Path
from typing import Any

import psutil

from manifests.errors import RunLocked, StorageError
from manifests.storage import Store

LEASE = "lease.json"
REFRESH_S = 10.0
DEAD_AFTER_S = 60.0


class Lease:
    """Held from ``acquire`` to ``release``; use it as a context manager."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.token = uuid.uuid4().hex
        self.lost = False

    def __enter__(self) -> "Lease":
        self.acquire()
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def acquire(self) -> None:
        """Take the lease.

        Raises
        ------
        RunLocked : another job lives; the message says where
        """
        while not self._store.create(LEASE, self._record()):
            holder = read_lease(self._store)
            if holder is None:
                continue
            if not _is_dead(holder):
                age = max(0, round(time.time() - holder["refreshed_at"]))
                raise RunLocked(
                    f"Another job is at work on {self._store.path()}: process {holder['pid']} on {holder['host']}, last "
                    f"heard of {age} s ago. Wait for it, or stop it; if its machine is gone, try again after "
                    f"{DEAD_AFTER_S:.0f} s of silence."
                )
            self._remove_dead(holder["token"])
        # An object store that does not know exclusive creation lets two in; the one whose record stayed has it.
        if not is_held_by(self._store, self.token):
            raise RunLocked(f"Another job has just taken {self._store.path()}")
        self._thread = threading.Thread(target=self._refresh, name="emotrove-lease", daemon=True)
        self._thread.start()

    def _remove_dead(self, token: str) -> None:
        """Delete a dead lease. Of those who have found it only one may, or the second would delete the lease of the first."""
        claim = f"lease-{token}.json"
        if not self._store.create(claim, self._record()):
            other = read_lease(self._store, claim)
            if other is not None and not _is_dead(other):
                raise RunLocked(f"Another job has just taken {self._store.path()}")
            self._store.delete(claim)  # it was killed in between
            return
        try:
            if is_held_by(self._store, token):
                self._store.delete(LEASE)
        finally:
            self._store.delete(claim)

    def release(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        if is_held_by(self._store, self.token):
            self._store.delete(LEASE)

    def _record(self) -> bytes:
        process = psutil.Process()
        return json.dumps(
            {
                "token": self.token,
                "host": socket.gethostname(),
                "boot": psutil.boot_time(),
                "pids": _pid_namespace(),
                "pid": process.pid,
                "started_at": process.create_time(),
                "refreshed_at": time.time(),
            }
        ).encode()

    def _refresh(self) -> None:
        while not self._stop.wait(REFRESH_S):
            # A full disk or a store that does not answer may be well again at the next try.
            with contextlib.suppress(StorageError):
                if not is_held_by(self._store, self.token):
                    self.lost = True
                    return
                self._store.write_bytes(LEASE, self._record())


def read_lease(store: Store, name: str = LEASE) -> dict[str, Any] | None:
    """The record of the present holder, or None."""
    try:
        for _ in range(10):
            data = store.read_bytes(name)
            if data:
                return dict(json.loads(data))
            time.sleep(0.1)  # a store without hard links shows the file before its content
    except FileNotFoundError:
        return None
    # Its writer died before it wrote anything.
    return {"token": "", "host": "", "boot": 0.0, "pid": 0, "started_at": 0.0, "refreshed_at": 0.0}


def is_held_by(store: Store, token: str) -> bool:
    """Whether the lease with this token is the present one."""
    holder = read_lease(store)
    return holder is not None and holder["token"] == token


def is_live(store: Store) -> bool:
    """Whether a job is at work on the run folder now."""
    holder = read_lease(store)
    return holder is not None and not _is_dead(holder)


def _pid_namespace() -> str | None:
    """Containers may share a host name and a boot time, but not process numbers."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return None


def _is_dead(holder: dict[str, Any]) -> bool:
    here = holder["host"] == socket.gethostname() and abs(holder["boot"] - psutil.boot_time()) < 5
    if here and holder.get("pids") == _pid_namespace():
        # The start time tells a process from a later one that got its number.
        try:
            process = psutil.Process(holder["pid"])
            return process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - holder["started_at"]) > 1
        except psutil.NoSuchProcess:
            return True
    return time.time() - float(holder["refreshed_at"]) > DEAD_AFTER_S
