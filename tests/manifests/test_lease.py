"""One job at a time on a run folder, and a dead job never in the way."""

import json
import multiprocessing
import os
import re
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import psutil
import pytest

from manifests import lease as lease_module
from manifests.errors import RunLocked
from manifests.lease import DEAD_AFTER_S, LEASE, Lease, is_held_by, is_live, read_lease
from manifests.storage import Store


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return Store(str(tmp_path / "run") if request.param == "local" else f"memory://{uuid.uuid4().hex}/run")


def record(**changes: Any) -> dict[str, Any]:
    """The lease of a job that lives: this process."""
    process = psutil.Process()
    return {
        "token": "of another job",
        "host": socket.gethostname(),
        "boot": psutil.boot_time(),
        "pids": str(Path("/proc/self/ns/pid").readlink()),
        "pid": process.pid,
        "started_at": process.create_time(),
        "refreshed_at": time.time(),
        **changes,
    }


def put(store: Store, held: dict[str, Any]) -> None:
    store.write_text(LEASE, json.dumps(held))


@pytest.fixture
def zombie() -> Iterator[psutil.Process]:
    """A process that is over, but whose parent has not asked for its exit code."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    process = psutil.Process(child.pid)
    while process.status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    yield process
    child.wait()


def dead_pid() -> int:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def test_held_and_given_back(store: Store) -> None:
    assert not is_live(store) and read_lease(store) is None
    with Lease(store) as lease:
        assert is_live(store) and is_held_by(store, lease.token) and not is_held_by(store, "another")
    assert not store.exists(LEASE) and not is_live(store)
    with Lease(store):
        assert is_live(store)


def test_a_second_job_is_refused_and_told_why(store: Store) -> None:
    with Lease(store) as first:
        said = re.escape(f"Another job is at work on {store.path()}: process {os.getpid()} on {socket.gethostname()}")
        with pytest.raises(RunLocked, match=said + r", last heard of \d s ago\. Wait for it, or stop it"):
            Lease(store).acquire()
        assert is_held_by(store, first.token), "the refusal took the lease away"
    Lease(store).acquire()


def test_a_job_of_another_process_is_refused_until_it_is_killed(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    hold = "import sys, time; from manifests.lease import *; Lease(Store(sys.argv[1])).acquire(); print(1, flush=True); time.sleep(60)"
    job = subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE)
    assert job.stdout is not None and job.stdout.readline() == b"1\n"
    with pytest.raises(RunLocked, match=f"process {job.pid} "):
        Lease(store).acquire()
    job.kill()
    job.wait()
    with Lease(store) as mine:
        assert is_held_by(store, mine.token)


def test_the_lease_of_a_process_that_is_gone(store: Store) -> None:
    put(store, record(pid=dead_pid()))
    assert not is_live(store)
    with Lease(store) as mine:
        assert is_held_by(store, mine.token)


def test_the_lease_of_a_zombie(store: Store, zombie: psutil.Process) -> None:
    put(store, record(pid=zombie.pid, started_at=zombie.create_time()))
    with Lease(store) as mine:
        assert is_held_by(store, mine.token)


def test_a_process_that_got_the_number_of_the_dead_one(store: Store) -> None:
    put(store, record(started_at=psutil.Process().create_time() - 100))
    with Lease(store) as mine:
        assert is_held_by(store, mine.token)


def test_a_process_before_the_last_boot(store: Store) -> None:
    """The pid lives, but it belongs to this boot; the lease is judged by its age alone."""
    put(store, record(boot=psutil.boot_time() - 1000, refreshed_at=time.time() - DEAD_AFTER_S - 1))
    with Lease(store) as mine:
        assert is_held_by(store, mine.token)


def test_another_host_counts_as_alive_until_it_has_been_silent(store: Store) -> None:
    elsewhere = {"host": "another-host", "pid": dead_pid()}
    put(store, record(**elsewhere, refreshed_at=time.time() - DEAD_AFTER_S + 5))
    assert is_live(store)
    with pytest.raises(RunLocked, match="another-host, last heard of 5[4-6] s ago"):
        Lease(store).acquire()
    put(store, record(**elsewhere, refreshed_at=time.time() - DEAD_AFTER_S - 1))
    assert not is_live(store)
    with Lease(store) as mine:
        assert is_held_by(store, mine.token)


def test_another_container_of_this_host_counts_as_alive_until_it_has_been_silent(store: Store) -> None:
    """Its process numbers mean nothing here, though host name and boot time are ours."""
    put(store, record(pids="pid:[1]", pid=dead_pid()))
    with pytest.raises(RunLocked):
        Lease(store).acquire()
    put(store, record(pids="pid:[1]", refreshed_at=time.time() - DEAD_AFTER_S - 1))
    with Lease(store) as mine:
        assert is_held_by(store, mine.token)


def test_a_live_process_is_not_dead_however_long_it_is_silent(store: Store) -> None:
    """A job may be stopped in a debugger, or its disk may be full; nothing else may write beside it."""
    put(store, record(refreshed_at=time.time() - 10 * DEAD_AFTER_S))
    with pytest.raises(RunLocked, match="last heard of 600 s ago"):
        Lease(store).acquire()


def test_release_deletes_only_its_own(store: Store) -> None:
    mine = Lease(store)
    mine.acquire()
    put(store, record(token="of the next job"))
    mine.release()
    assert is_held_by(store, "of the next job")


def test_the_lease_is_refreshed_and_its_loss_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "REFRESH_S", 0.05)
    store = Store(str(tmp_path))
    with Lease(store) as mine:
        first = (read_lease(store) or {})["refreshed_at"]
        assert _soon(lambda: (read_lease(store) or {})["refreshed_at"] > first)
        assert not mine.lost
        put(store, record())
        assert _soon(lambda: mine.lost)
    assert is_held_by(store, "of another job")


def test_a_refresh_that_fails_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    """The disk of the run folder is full, or its store does not answer, for a while."""
    monkeypatch.setattr(lease_module, "REFRESH_S", 0.05)
    folder = tmp_path / "run"
    store = Store(str(folder))
    with Lease(store) as mine:
        aside = tmp_path / "aside"
        held = (read_lease(store) or {})["refreshed_at"]
        folder.rename(aside)
        folder.write_text("in the way")  # every read and write below it fails now
        time.sleep(0.2)
        folder.unlink()
        aside.rename(folder)
        assert _soon(lambda: (read_lease(store) or {})["refreshed_at"] > held + 0.2)
        assert not mine.lost
    assert not [w for w in recwarn if issubclass(w.category, pytest.PytestUnhandledThreadExceptionWarning)]


def _soon(condition: Any) -> bool:
    deadline = time.monotonic() + 5
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class Interrupted(Store):
    """A store that lets another job run to its end before the ``at``-th access of this one."""

    def __init__(self, root: str, at: int, other: Callable[[], None]) -> None:
        super().__init__(root)
        accesses = iter(range(at + 1))

        def before(name: str) -> Any:
            access = getattr(Store, name)

            def wrapped(*args: Any) -> Any:
                if next(accesses, None) == at:
                    other()
                return access(self, *args)

            return wrapped

        for name in ("create", "read_bytes", "write_bytes", "delete"):
            object.__setattr__(self, name, before(name))


@pytest.mark.parametrize("at", range(8))
def test_a_dead_lease_goes_to_one_of_two_whenever_the_second_comes(at: int, tmp_path: Path) -> None:
    held = record(pid=dead_pid())
    store = Store(str(tmp_path))
    put(store, held)
    winners: list[str] = []

    def take(lease: Lease) -> None:
        try:
            lease.acquire()
            winners.append(lease.token)
        except RunLocked:
            pass

    second = Lease(store)
    first = Lease(Interrupted(str(tmp_path), at, lambda: take(second)))
    take(first)
    assert len(winners) == 1 and is_held_by(store, winners[0])
    first.release()
    second.release()
    assert os.listdir(tmp_path) == []


ROUNDS, JOBS = 60, 4


def _race(root: str, barrier: Barrier, wins: Any) -> None:
    for round_ in range(ROUNDS):
        store = Store(f"{root}/{round_}")
        lease = Lease(store)
        barrier.wait()
        try:
            lease.acquire()
            wins[round_] += 1
        except RunLocked:
            pass
        barrier.wait()  # nobody gives it back before all have tried
        lease.release()


def test_of_those_who_find_a_dead_lease_one_takes_it(tmp_path: Path) -> None:
    held = record(pid=dead_pid())
    for round_ in range(ROUNDS):
        put(Store(f"{tmp_path}/{round_}"), held)
    processes = multiprocessing.get_context("fork")
    barrier, wins = processes.Barrier(JOBS), processes.Array("i", ROUNDS)
    jobs = [processes.Process(target=_race, args=(str(tmp_path), barrier, wins)) for _ in range(JOBS)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(30)
    assert [job.exitcode for job in jobs] == [0] * JOBS
    assert list(wins) == [1] * ROUNDS
    assert [os.listdir(tmp_path / str(round_)) for round_ in range(ROUNDS)] == [[]] * ROUNDS


def test_a_take_over_that_was_killed_half_way_is_not_in_the_way(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    put(store, record(pid=dead_pid(), token="t"))
    store.create("lease-t.json", json.dumps(record(pid=dead_pid())).encode())
    with Lease(store) as mine:
        assert is_held_by(store, mine.token)
    assert os.listdir(tmp_path) == []


def test_an_empty_lease_is_dead(tmp_path: Path) -> None:
    """Its writer was killed between creating the file and writing it, on a file system without hard links."""
    store = Store(str(tmp_path))
    store.write_bytes("lease.json", b"")
    with Lease(store) as lease:
        assert is_held_by(store, lease.token)
