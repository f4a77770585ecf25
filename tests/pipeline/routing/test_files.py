"""The files of a routing: killed jobs, full disks, damage."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.emilia import reject
from manifests.emotions import CLASSES
from manifests.errors import EmotroveError, InputError, RunFolderError, RunLocked, StorageError
from manifests.lease import Lease
from manifests.review import ROUTES
from manifests.review_folder import HELD, ReviewFolder
from manifests.run_folder import RunFolder
from manifests.storage import Store
from pipeline.route_command import PolicyName
from pipeline.routing import REASONS, RoutingOptions, route
from pipeline.routing.policies import POLICIES
from tests.pipeline.routing.runs import a_run, decided, held, many, utterance

NAMES = [str(emotion) for emotion in CLASSES]


KILLED_BETWEEN = """
import os, signal
from manifests.review_folder import ReviewFolder
ReviewFolder.write_held = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
from pipeline.cli import main
main()
"""


def test_killed_between_the_files_the_same_command_ends_right(tmp_path: Path) -> None:
    rows = many(60)
    run, whole = a_run(tmp_path / "run", rows), a_run(tmp_path / "whole", rows)
    route(run, RoutingOptions(per_class=5))
    options = RoutingOptions(per_class=20)
    args = ["route", str(tmp_path / "run"), "--per-class", "20"]
    dead = subprocess.run([sys.executable, "-c", KILLED_BETWEEN, *args], capture_output=True, check=False)
    assert dead.returncode == -signal.SIGKILL
    between = decided(run)
    assert len(between) == 21 and len(ReviewFolder(run).decided_files()) == 2
    assert held(run).keys() & between.keys(), "the kill came too late to show anything"
    finished = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *args], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    route(whole, RoutingOptions(per_class=5))
    route(whole, options)
    assert decided(run) == between == decided(whole) and held(run) == held(whole)
    assert not list((tmp_path / "run").rglob(".tmp-*")) and not (tmp_path / "run/review/lease.json").exists()


@pytest.mark.parametrize("place", ["local", "memory"])
def test_files_have_the_schema_and_the_same_bytes_each_time(tmp_path: Path, place: str) -> None:
    folder = str(tmp_path / "run") if place == "local" else f"memory://{uuid.uuid4().hex}/run"
    made = []
    for n in range(2):
        run = RunFolder(f"{folder}{n}")
        source = a_run(tmp_path / f"source{n}", many(50))
        for path in sorted(p for p in (tmp_path / f"source{n}").rglob("*") if p.is_file()):
            run.store.write_bytes(str(path.relative_to(tmp_path / f"source{n}")), path.read_bytes())
        route(run, RoutingOptions(per_class=10, accept_above=0.9))
        assert source.store.list("routes") == []
        names = ["routes/decided-000000.parquet", HELD]
        assert run.store.list("routes") == names
        for name in names:
            schema = pq.read_schema(pa.BufferReader(run.store.read_bytes(name)))
            assert schema.equals(ROUTES, check_metadata=True)
        made.append([run.store.read_bytes(name) for name in names])
    assert made[0] == made[1]
    row = next(row for row in decided(run).values() if row["arm"] == "selected")
    assert (
        row["duration_s"] == 2.5
        and row["audio_format"] == "mp3"
        and row["text"] == f"the words of {row['utterance_id']}"
    )
    assert row["audio_sha256"] == hashlib.sha256(row["utterance_id"].encode()).hexdigest()
    assert (row["round"], row["seed"]) == (0, 0) and row["audio_uri"].startswith("/data/EN-1.tar#512+")
    in_review = ReviewFolder(run).in_review()
    assert in_review.schema.equals(ROUTES) and set(in_review["decision"].to_pylist()) == {"review"}


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    run = a_run(tmp_path, many(30))
    before = sorted(tmp_path.rglob("*"))
    found = route(run, RoutingOptions(per_class=10, dry_run=True))
    assert sorted(tmp_path.rglob("*")) == before and found.review_new == found.review == 11
    real = route(run, RoutingOptions(per_class=10))
    assert {**real.to_json(), "dry_run": True} == found.to_json()


def test_a_folder_that_a_pattern_could_mean(tmp_path: Path) -> None:
    run = a_run(tmp_path / "it's [a] *run*", many(10))
    assert route(run, RoutingOptions(per_class=5, control=0.0)).review == 5


def test_a_pull_that_ends_soon_is_waited_for(tmp_path: Path) -> None:
    run = a_run(tmp_path, many(10))
    pull = Lease(Store(str(tmp_path / "review")))
    pull.acquire()
    threading.Timer(1.0, pull.release).start()
    assert route(run, RoutingOptions(per_class=2)).review == 2


def test_what_cannot_be_routed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunFolderError, match="is not a run folder"):
        route(RunFolder(str(tmp_path / "none")), RoutingOptions())
    run = a_run(tmp_path / "run", [reject(utterance("bad", ("sad", 0.9)), "quality", "silent", 0.0)])
    with pytest.raises(InputError, match="has no labelled clip to route"):
        route(run, RoutingOptions())
    run = a_run(tmp_path / "run2", many(10))
    monkeypatch.setattr("review_ui.exclusive.PATIENCE_S", 0.3)
    with Lease(Store(str(tmp_path / "run2" / "review"))), pytest.raises(RunLocked, match="Another job is at work"):
        route(run, RoutingOptions())
    with pytest.raises(EmotroveError, match="cannot be read"):
        route(run, RoutingOptions(exclude=[str(tmp_path / "no-list")]))
    assert run.store.list("routes") == []
    route(run, RoutingOptions(per_class=2))
    path = tmp_path / "run2" / "routes" / "decided-000000.parquet"
    os.truncate(path, 100)
    for reading in (ReviewFolder(run).in_review, lambda: route(run, RoutingOptions())):
        with pytest.raises(RunFolderError, match="routes cannot be read: .*decided-000000.parquet.*from a copy"):
            reading()


def test_full_disks(tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run(tmp_path / "run", many(1000, text="a " * 200))
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "tempdir", str(small_disk))
        with pytest.raises(StorageError, match=f"not enough room for temporary files in {small_disk}.*set TMPDIR"):
            route(run, RoutingOptions())
    assert not list(small_disk.iterdir()) and run.store.list("routes") == []
    route(run, RoutingOptions(per_class=2))
    before = decided(run), held(run)
    shutil.move(tmp_path / "run" / "routes", small_disk / "routes")
    (tmp_path / "run" / "routes").symlink_to(small_disk / "routes")
    with (small_disk / "ballast").open("wb", buffering=0) as ballast, pytest.raises(OSError):
        while True:
            ballast.write(bytes(1000))
    with pytest.raises(StorageError, match="The disk is full"):
        route(run, RoutingOptions(per_class=2))
    assert (decided(run), held(run)) == before


def test_every_reason_and_policy_is_documented() -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "routing.md").read_text("utf-8")
    assert not [name for name in (*REASONS, *POLICIES) if f"| `{name}` |" not in text]
    assert [policy.value for policy in PolicyName] == list(POLICIES)
