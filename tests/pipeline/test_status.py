"""The account of a run compares the markers with the rows that are there."""

from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from manifests.emilia import fail, new_row, reject
from manifests.errors import RunFolderError
from manifests.lease import Lease
from manifests.run_folder import RunFolder, Shard, ShardCounts, fingerprint
from pipeline.chunks import Chunk
from pipeline.cli import app
from pipeline.commit import Commit
from pipeline.status import failures, status

SHARDS = [Shard(name, "tar", f"/data/{name}.tar", 1000) for name in ("a", "b", "c", "d", "e")]


def commit(run: RunFolder, shard: str, start: int, outcomes: list[str]) -> None:
    rows = []
    for position, outcome in enumerate(outcomes, start):
        row = {**new_row(shard, position, f"{shard}{position}"), "duration_s": 1800.0}
        if outcome == "failed":
            fail(row, "decode", "undecodable_audio", f"why {position}")
        elif outcome == "rejected":
            reject(row, "decode", "too_long", 99.0)
        else:
            row["votes"] = [{"voter": "v", "emotion": "happy", "confidence": 1.0}]
        rows.append(row)
    with Lease(run.store) as lease:
        (receipt,) = Commit(run.store.root, lease.token)(Chunk(shard, start, len(rows), rows).to_table()).to_pylist()
    assert receipt["fatal"] is None


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    """Two finished shards, one begun, one unreadable, one not begun."""
    run = RunFolder(str(tmp_path / "run"))
    run.write_run({"input": {"shards": len(SHARDS), "fingerprint": fingerprint(SHARDS)}})
    run.write_shards(SHARDS)
    commit(run, "a", 0, ["labeled", "labeled", "rejected"])
    commit(run, "a", 3, ["labeled", "failed"])
    run.mark_done(ShardCounts("a", 5, 3, 1, 1, 9000.0, 1000, "no end mark"))
    commit(run, "b", 0, ["labeled"])
    run.mark_done(ShardCounts("b", 1, 1, 0, 0, 1800.0, 1000))
    commit(run, "c", 0, ["labeled", "failed"])
    run.mark_unreadable("d", "d.tar is empty")
    return run


def test_the_account(run: RunFolder) -> None:
    account = status(run)
    assert (account.shards, account.done, account.in_progress, account.not_started) == (5, 2, 1, 1)
    assert account.unreadable == {"d": "d.tar is empty"} and account.notes == {"a": "no end mark"}
    assert (account.rows, account.labeled, account.rejected, account.failed) == (8, 5, 1, 2)
    assert account.audio_hours == pytest.approx(4.0)
    assert account.emotions == {"happy": 5}
    assert account.reasons == [
        {"outcome": "failed", "stage": "decode", "reason": "undecodable_audio", "count": 2},
        {"outcome": "rejected", "stage": "decode", "reason": "too_long", "count": 1},
    ]
    assert account.unreconciled == [] and not account.complete and not account.working_now
    with Lease(run.store):
        assert status(run).working_now


def test_complete(run: RunFolder) -> None:
    run.mark_done(ShardCounts("c", 2, 1, 0, 1, 3600.0, 1000))
    for name in "de":
        commit(run, name, 0, ["labeled"])
        run.mark_done(ShardCounts(name, 1, 1, 0, 0, 1800.0, 1000))
    account = status(run)
    assert account.complete and account.unreadable == {}
    assert account.to_json()["complete"] is True


def test_before_anything_is_done(tmp_path: Path) -> None:
    run = RunFolder(str(tmp_path / "run"))
    with pytest.raises(RunFolderError, match="is not a run folder"):
        status(run)
    run.write_run({})
    run.write_shards(SHARDS)
    account = status(run)
    assert (account.rows, account.not_started, account.complete) == (0, 5, False)
    assert list(failures(run)) == []


def labeled(run: RunFolder, start: int = 0) -> Path:
    return Path(run.store.path(f"labels/outcome=labeled/a-{start:08d}.parquet"))


def lose(run: RunFolder) -> None:
    labeled(run).unlink()


def lose_all(run: RunFolder) -> None:
    for path in Path(run.store.path("labels")).glob("*/a-*.parquet"):
        path.unlink()


def double(run: RunFolder) -> None:
    labeled(run, 9).write_bytes(labeled(run).read_bytes())


def edit(run: RunFolder) -> None:
    table = pq.read_table(labeled(run))
    pq.write_table(table.slice(1), labeled(run))


def swap(run: RunFolder) -> None:
    """As many rows as before, but one is there twice and one is gone."""
    table = pq.read_table(labeled(run))
    pq.write_table(table.take([0, 0]), labeled(run))


def cut(run: RunFolder) -> None:
    labeled(run).write_bytes(labeled(run).read_bytes()[:-100])


def empty(run: RunFolder) -> None:
    labeled(run).write_bytes(b"")


def scramble(run: RunFolder) -> None:
    data = labeled(run).read_bytes()
    labeled(run).write_bytes(data[:4] + b"\xa5" * (len(data) // 2) + data[4 + len(data) // 2 :])


@pytest.mark.parametrize("harm", [lose, lose_all, double, edit, swap, cut, empty, scramble])
def test_a_file_that_was_lost_doubled_or_changed_shows(harm: Callable[[RunFolder], None], run: RunFolder) -> None:
    assert status(run).unreconciled == []
    harm(run)
    account = status(run)
    assert account.unreconciled and not account.complete
    assert any(line.startswith("a: ") or "a-00000000.parquet" in line for line in account.unreconciled)
    assert not any(line.startswith("b: ") for line in account.unreconciled)


@pytest.mark.parametrize("harm", [cut, empty, scramble])
def test_other_commands_say_that_a_file_is_damaged(harm: Callable[[RunFolder], None], run: RunFolder) -> None:
    path = Path(run.store.path("labels/outcome=failed/a-00000003.parquet"))
    path.rename(labeled(run))
    harm(run)
    labeled(run).rename(path)
    shown = CliRunner().invoke(app, ["failures", run.store.path()], catch_exceptions=False)
    assert shown.exit_code == 1 and "cannot be read" in shown.stderr and "emotrove status RUN" in shown.stderr
    account = CliRunner().invoke(app, ["status", run.store.path()], catch_exceptions=False)
    assert account.exit_code == 1 and f"{path.name} is damaged" in account.stdout


def test_a_marker_that_does_not_add_up_shows(run: RunFolder) -> None:
    run.mark_done(ShardCounts("b", 2, 1, 0, 0, 1800.0, 1000))
    assert any("b: the marker says 2 rows in" in line for line in status(run).unreconciled)


def test_rows_of_a_shard_that_is_none_show(run: RunFolder) -> None:
    commit(run, "z", 0, ["labeled"])
    assert status(run).unreconciled == ["z: has rows but is no shard of this run"]


def test_the_list_of_failures(run: RunFolder) -> None:
    found = list(failures(run))
    assert [(row["utterance_id"], row["shard"], row["position"]) for row in found] == [("a4", "a", 4), ("c1", "c", 1)]
    assert found[0]["stage"] == "decode" and found[0]["reason"] == "undecodable_audio" and found[0]["detail"] == "why 4"
    assert [row["utterance_id"] for row in failures(run, limit=1)] == ["a4"]
