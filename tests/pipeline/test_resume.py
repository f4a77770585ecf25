"""Killing the job at any moment loses nothing and doubles nothing."""

import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from manifests.run_folder import RunFolder
from pipeline.status import status
from tests.pipeline.command import EMOTROVE, emotrove, last_event
from tests.pipeline.rows import assert_same, rows_of
from tests.speech import small_shards

pytestmark = [pytest.mark.ray, pytest.mark.slow]

SHARDS, CLIPS = 3, 64
PROFILE = """
chunk: {clips: 4}
reference: {clips: 60, min_clips: 30}
engine: {in_flight_megabytes: 16}
"""


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("profile") / "small-chunks.yaml"
    path.write_text(PROFILE)
    return path


@pytest.fixture(scope="module")
def shards(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return small_shards(shared_data, tmp_path_factory.mktemp("shards"), SHARDS, CLIPS)


@pytest.fixture(scope="module")
def undisturbed(shards: list[Path], profile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    event = last_event(emotrove("label", *shards, run, "--profile", profile, "--json"))
    assert event["rows"] == event["labeled"] == SHARDS * CLIPS
    return run


def label_files(run: Path) -> int:
    return len(list(run.glob("labels/*/*.parquet")))


# Five moments in the life of a job, each later than the one before, each a state of the run folder.
MOMENTS: list[Callable[[Path], bool]] = [
    lambda run: (run / "lease.json").exists(),
    lambda run: (run / "reference.json").exists(),
    lambda run: label_files(run) >= 2,
    lambda run: label_files(run) >= 16,
    lambda run: label_files(run) >= 34,
]


def start(shards: list[Path], run: Path, profile: Path) -> subprocess.Popen[bytes]:
    command = [*EMOTROVE, "label", *map(str, shards), str(run), "--profile", str(profile), "--json"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def wait_for(moment: Callable[[Path], bool], run: Path, job: subprocess.Popen[bytes]) -> bool:
    """Whether the moment came before the job ended."""
    deadline = time.monotonic() + 240
    while not moment(run):
        if job.poll() is not None:
            return False
        assert time.monotonic() < deadline, "the moment never came"
        time.sleep(0.01)
    return True


def assert_whole(run: Path, undisturbed: Path, event: dict[str, object]) -> None:
    account = status(RunFolder(str(run)))
    assert account.complete and account.rows == SHARDS * CLIPS
    assert event["shards_done"] == SHARDS
    assert_same(rows_of(str(undisturbed)), rows_of(str(run)))


def test_killed_driver(shards: list[Path], profile: Path, undisturbed: Path, tmp_path: Path) -> None:
    """SIGKILL the driver at five moments of one run, starting again at once each time."""
    run = tmp_path / "run"
    kills = 0
    for moment in MOMENTS:
        job = start(shards, run, profile)
        if wait_for(moment, run, job):
            job.send_signal(signal.SIGKILL)
            kills += 1
        job.wait()
    assert kills == len(MOMENTS)
    done = {path.stem for path in run.glob("done/*.json")}
    unfinished = sum(shard.stat().st_size for shard in shards if shard.stem not in done)
    event = last_event(emotrove("label", *shards, run, "--profile", profile, "--json"))
    assert_whole(run, undisturbed, event)
    # Finished shards are not opened, and of the others the audio on disk is passed over.
    assert 0 < event["bytes_read"] < unfinished
    again = last_event(emotrove("label", *shards, run, "--profile", profile, "--json"))
    assert (again["bytes_read"], again["rows"], again["shards_skipped"]) == (0, 0, SHARDS)


ACTOR = ("ray::MapWorker",)
WORKER = ("ray::ReadShards", "ray::MapBatches(Commit)", "ray::IDLE")


@pytest.mark.parametrize("victims", [ACTOR, WORKER], ids=["annotator actor", "ray worker"])
def test_killed_worker(
    victims: tuple[str, ...], shards: list[Path], profile: Path, undisturbed: Path, tmp_path: Path
) -> None:
    """SIGKILL an annotator actor, or a worker that reads or commits, at five moments of one run."""
    run = tmp_path / "run"
    job = start(shards, run, profile)
    killed = 0
    for at_least in (1, 5, 10, 16, 24):
        if not wait_for(lambda run, n=at_least: label_files(run) >= n, run, job):
            break
        process = _find(job.pid, victims)
        if process is not None:
            process.kill()
            killed += 1
    _, errors = job.communicate()
    assert killed == 5, f"only {killed} workers were found alive; {errors.decode()[-500:]}"
    # Ray goes on by itself; where it gave up, the same command goes on.
    event = last_event(emotrove("label", *shards, run, "--profile", profile, "--json"))
    assert_whole(run, undisturbed, event)


def _find(driver: int, victims: tuple[str, ...]) -> psutil.Process | None:
    """A worker process of this driver's Ray with one of these titles, busy ones first."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = []
        for process in psutil.Process(driver).children(recursive=True):
            try:
                title = " ".join(process.cmdline())
            except psutil.NoSuchProcess:
                continue
            if title.startswith(victims):
                found.append((title.startswith("ray::IDLE"), process))
        if found:
            return min(found, key=lambda pair: pair[0])[1]
        time.sleep(0.02)
    return None
