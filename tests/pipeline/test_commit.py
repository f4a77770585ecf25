"""A kill between any two operations on files loses nothing and doubles nothing."""

import copy
import itertools
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from manifests.emilia import Row, fail, new_row, reject
from manifests.lease import LEASE, Lease
from manifests.run_folder import RunFolder
from manifests.schema import OUTCOMES
from manifests.storage import Store
from pipeline.chunks import Chunk
from pipeline.commit import Commit


class Killed(BaseException):
    """What SIGKILL is to the files: everything before is there, nothing after."""


@pytest.fixture(params=["local", "memory"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> RunFolder:
    return RunFolder(str(tmp_path / "run") if request.param == "local" else f"memory://{uuid.uuid4().hex}/run")


@pytest.fixture
def lease(run: RunFolder) -> Iterator[Lease]:
    with Lease(run.store) as lease:
        yield lease


def chunk(outcomes: Mapping[int, str], start: int = 0, seconds: float = 2.0) -> Chunk:
    rows = []
    for position, outcome in outcomes.items():
        row: Row = {**new_row("s", position, f"u{position}"), "duration_s": seconds}
        if outcome == "failed":
            fail(row, "style", "annotator_error", "why")
        elif outcome == "rejected":
            reject(row, "quality", "silent", 0.0)
        rows.append(row)
    # As it comes out of the graph: with every column.
    (whole,) = Chunk.from_table(Chunk("s", start, len(rows), rows).to_table())
    return whole


def commit(run: RunFolder, lease: Lease, what: Chunk) -> dict[str, Any]:
    (receipt,) = Commit(run.store.root, lease.token)(what.to_table()).to_pylist()
    assert receipt["fatal"] is None
    return receipt


def on_disk(run: RunFolder) -> dict[int, str]:
    """Outcome by position; ``committed`` refuses a row that is there twice, and the folder must agree with the column."""
    rows = run.dataset().to_table().to_pylist()
    found = {row["position"]: row["outcome"] for row in rows}
    assert len(found) == len(rows)
    chunks = run.committed(["s"])["s"]
    assert found == {p: outcome for c in chunks.values() for p, outcome in c.outcomes.items()}
    return found


def test_a_chunk_and_its_receipt(run: RunFolder, lease: Lease) -> None:
    outcomes = {0: "labeled", 1: "rejected", 2: "labeled", 3: "failed"}
    receipt = commit(run, lease, chunk(outcomes))
    assert on_disk(run) == outcomes
    assert [receipt[name] for name in OUTCOMES] == [receipt[f"new_{name}"] for name in OUTCOMES] == [2, 1, 1]
    assert (receipt["new_rows"], receipt["audio_s"], receipt["new_audio_s"]) == (4, 8.0, 8.0)
    assert len(run.chunk_files()["s"][0]) == 3


def test_a_chunk_done_again_replaces_itself(run: RunFolder, lease: Lease) -> None:
    outcomes = {0: "labeled", 1: "rejected", 2: "failed"}
    first = commit(run, lease, chunk(outcomes))
    assert commit(run, lease, chunk(outcomes)) == first
    assert on_disk(run) == outcomes


def test_rows_from_before_are_kept(run: RunFolder, lease: Lease) -> None:
    commit(run, lease, chunk({0: "labeled", 2: "failed"}))
    receipt = commit(run, lease, chunk({1: "labeled", 3: "failed"}, seconds=3.0))
    assert on_disk(run) == {0: "labeled", 1: "labeled", 2: "failed", 3: "failed"}
    assert (receipt["labeled"], receipt["failed"], receipt["new_labeled"], receipt["new_failed"]) == (2, 2, 1, 1)
    assert (receipt["audio_s"], receipt["new_audio_s"]) == (10.0, 6.0)
    positions = run.read_table(run.chunk_files()["s"][0]["labeled"])["position"].to_pylist()
    assert positions == [0, 1]


def test_an_outcome_that_changes_moves_the_row(run: RunFolder, lease: Lease) -> None:
    commit(run, lease, chunk({0: "failed", 1: "failed", 2: "labeled"}))
    receipt = commit(run, lease, chunk({0: "labeled", 1: "rejected"}))
    assert on_disk(run) == {0: "labeled", 1: "rejected", 2: "labeled"}
    assert (receipt["labeled"], receipt["rejected"], receipt["failed"]) == (2, 1, 0)
    assert set(run.chunk_files()["s"][0]) == {"labeled", "rejected"}, "the file that became empty is gone"


def test_the_receipt_of_a_chunk_with_nothing_new(run: RunFolder, lease: Lease) -> None:
    commit(run, lease, chunk({0: "labeled", 1: "failed"}))
    last = Chunk("s", 0, 2, [], shard_rows=2, note="n", bytes_read=5)
    receipt = commit(run, lease, last)
    assert (receipt["labeled"], receipt["failed"], receipt["new_rows"], receipt["shard_rows"]) == (1, 1, 0, 2)
    assert (receipt["note"], receipt["bytes_read"]) == ("n", 5)


def test_a_job_that_lost_its_run_writes_nothing(run: RunFolder, lease: Lease) -> None:
    run.store.write_bytes(LEASE, run.store.read_bytes(LEASE).replace(lease.token.encode(), b"another"))
    (receipt,) = Commit(run.store.root, lease.token)(chunk({0: "labeled"}).to_table()).to_pylist()
    assert "belongs to another job now" in receipt["fatal"]
    assert run.chunk_files() == {}
    run.store.delete(LEASE)
    (receipt,) = Commit(run.store.root, lease.token)(chunk({0: "labeled"}).to_table()).to_pylist()
    assert receipt["fatal"] and run.chunk_files() == {}


def test_what_cannot_be_written_is_fatal_and_says_where(small_disk: Path) -> None:
    run = RunFolder(str(small_disk))
    with Lease(run.store) as lease:
        ballast = small_disk / "ballast"
        with ballast.open("wb", buffering=0) as file, pytest.raises(OSError, match="No space left"):
            while True:
                file.write(b"x" * 4096)
        (receipt,) = Commit(run.store.root, lease.token)(chunk({0: "labeled"}).to_table()).to_pylist()
        assert f"{run}/labels/outcome=labeled/s-00000000.parquet" in receipt["fatal"]
        assert "The disk is full" in receipt["fatal"]
        assert run.chunk_files() == {}
        ballast.unlink()
        commit(run, lease, chunk({0: "labeled"}))


@contextmanager
def killed_at(k: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The k-th write or delete of rows, and all after it, never happen."""
    calls = itertools.count()
    with monkeypatch.context() as patch:
        for name in ("write_bytes", "delete"):

            def wrapped(self: Store, *args: Any, access: Any = getattr(Store, name)) -> Any:
                if (
                    args[0].startswith(("labels/", "features/")) and next(calls) >= k
                ):  # the lease is refreshed beside it
                    raise Killed
                return access(self, *args)

            patch.setattr(Store, name, wrapped)
        yield


SCENES: dict[str, tuple[dict[int, str], dict[int, str]]] = {
    "a first commit": ({}, {0: "labeled", 1: "rejected", 2: "failed"}),
    "the rest of a chunk": ({0: "labeled", 3: "failed"}, {1: "labeled", 2: "rejected", 4: "failed"}),
    "every outcome changes": (
        {0: "labeled", 1: "rejected", 2: "failed", 3: "labeled", 4: "failed"},
        {0: "rejected", 1: "failed", 2: "labeled"},
    ),
    "all failures are healed": ({0: "failed", 1: "failed", 2: "labeled"}, {0: "labeled", 1: "labeled"}),
}


@pytest.mark.parametrize(("before", "after"), SCENES.values(), ids=SCENES)
def test_killed_between_any_two_operations(
    before: dict[int, str], after: dict[int, str], run: RunFolder, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = {**before, **after}
    for k in itertools.count():
        for name in [n for c in run.chunk_files().get("s", {}).values() for n in c.values()]:
            run.store.delete(name)
        if before:
            commit(run, lease, chunk(before))
        through = False
        with killed_at(k, monkeypatch):
            try:
                commit(run, lease, chunk(after))
                through = True
            except Killed:
                pass
        there = on_disk(run)
        # Never in two files; what was not to be touched is there; what is missing is done again.
        assert there.keys() <= expected.keys()
        assert {p: o for p, o in there.items() if p not in after} == {p: o for p, o in before.items() if p not in after}
        # The next command skips what is on disk, but for failures, as ``failures --retry`` does; then all that was touched.
        for skipped in ([p for p, o in there.items() if o != "failed"], []):
            left = {p: o for p, o in after.items() if p not in skipped}
            again = commit(run, lease, chunk(copy.deepcopy(left)))
            assert sum(again[name] for name in OUTCOMES) == len(on_disk(run))
        assert on_disk(run) == expected
        if through:
            break
    assert k >= 2
