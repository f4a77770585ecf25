"""What a run folder remembers, on a disk and on an object store."""

import uuid
from pathlib import Path

import pyarrow as pa
import pytest

from manifests import SCHEMA_VERSION
from manifests.errors import RunFolderError
from manifests.run_folder import RunFolder, Shard, ShardCounts, chunk_file, encode_parquet, fingerprint
from manifests.schema import LABELS

SHARDS = [
    Shard("EN-B000000", "tar", "/data/EN-B000000.tar", 1024),
    Shard("gone", "tar", "s3://bucket/gone.tar"),
    Shard("voices-00000", "folder", "/data/voices", files=("a.wav", "b/c.wav", "caf\udce9.wav")),
    Shard("list-00001", "jsonl", "/data/list.jsonl", 77, lines=(512, 77, 1001)),
]


@pytest.fixture(params=["local", "memory"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> RunFolder:
    return RunFolder(str(tmp_path / "run") if request.param == "local" else f"memory://{uuid.uuid4().hex}/run")


def put(run: RunFolder, outcome: str, shard: str, start: int, positions: list[int], seconds: float = 2.0) -> None:
    rows = [
        {"utterance_id": f"{shard}-{p}", "shard": shard, "position": p, "outcome": outcome, "duration_s": seconds}
        for p in positions
    ]
    table = pa.Table.from_pylist(rows, schema=LABELS)
    run.store.write_bytes(chunk_file(outcome, shard, start), encode_parquet(table))


def test_a_folder_that_is_no_run(run: RunFolder) -> None:
    assert not run.exists()
    for ask in (run.require, run.shards):
        with pytest.raises(RunFolderError, match="has no run.yaml. Start a run with: emotrove label"):
            ask()


def test_a_run_of_a_newer_emotrove_is_refused(run: RunFolder) -> None:
    run.write_run({"schema_version": SCHEMA_VERSION + 1})
    with pytest.raises(
        RunFolderError, match=f"schema version {SCHEMA_VERSION + 1}.*reads up to {SCHEMA_VERSION}: upgrade"
    ):
        run.require()


def test_shards_come_back_as_they_were(run: RunFolder) -> None:
    run.write_run({"profile": "embedded"})
    run.write_shards(SHARDS)
    assert run.exists() and run.require() == {"schema_version": SCHEMA_VERSION, "profile": "embedded"}
    assert run.shards() == SHARDS


def test_the_fingerprint_knows_content_but_not_place() -> None:
    moved = [Shard(s.name, s.kind, f"/elsewhere/{s.name}", s.size, s.files, s.lines) for s in SHARDS]
    assert fingerprint(moved) == fingerprint(SHARDS)
    for i, changed in (
        (0, Shard("EN-B000000", "tar", "/data/EN-B000000.tar", 1025)),
        (0, Shard("EN-B000009", "tar", "/data/EN-B000000.tar", 1024)),
        (2, Shard("voices-00000", "folder", "/data/voices", files=("a.wav",))),
        (3, Shard("list-00001", "jsonl", "/data/list.jsonl", 77, lines=(513, 77, 1001))),
    ):
        assert fingerprint([*SHARDS[:i], changed, *SHARDS[i + 1 :]]) != fingerprint(SHARDS)
    assert fingerprint(SHARDS[::-1]) != fingerprint(SHARDS)


def test_markers(run: RunFolder) -> None:
    assert run.done_names() == set() and run.unreadable() == {} and list(run.done()) == []
    run.mark_unreadable("b", "b.tar is empty")
    assert run.unreadable() == {"b": "b.tar is empty"}
    counts = ShardCounts("b", 3, 1, 1, 1, 4.5, 100, "no end mark")
    run.mark_done(counts)
    assert run.unreadable() == {}, "a finished shard is not unreadable any more"
    assert list(run.done()) == [counts] and run.done_names() == {"b"} and counts.reconciles
    run.unmark_done("b")
    assert run.done_names() == set()
    assert not ShardCounts("b", 4, 1, 1, 1, 4.5, 100).reconciles


def test_a_name_with_dots_dashes_and_a_hash_is_found_again(run: RunFolder) -> None:
    for name in ("EN-B000000", "a.b-00000001", "x~0f0f0f0f", "-"):
        put(run, "labeled", name, 256, [256])
        run.mark_done(ShardCounts(name, 1, 1, 0, 0, 2.0, 1))
        assert name in run.done_names()
        assert run.chunk_files()[name] == {256: {"labeled": chunk_file("labeled", name, 256)}}


def test_rows_on_disk(run: RunFolder) -> None:
    put(run, "labeled", "a", 0, [0, 2])
    put(run, "failed", "a", 0, [1], seconds=3.0)
    put(run, "rejected", "a", 100_000_000, [100_000_000])
    put(run, "labeled", "b", 0, [0])
    found = run.committed(["a", "none"])
    assert found.keys() == {"a", "none"} and found["none"] == {}
    assert found["a"][0].outcomes == {0: "labeled", 2: "labeled", 1: "failed"}
    assert found["a"][0].audio_s == pytest.approx(7.0)
    assert found["a"][0].count("labeled") == 2 and found["a"][0].count("rejected") == 0
    assert found["a"][100_000_000].outcomes == {100_000_000: "rejected"}


@pytest.mark.parametrize(("outcome", "start"), [("failed", 0), ("labeled", 1)])
def test_a_row_in_two_files_is_refused(outcome: str, start: int, run: RunFolder) -> None:
    put(run, "labeled", "a", 0, [0, 1])
    put(run, outcome, "a", start, [1])
    with pytest.raises(RunFolderError, match="row 1 of a is in another file too"):
        run.committed(["a"])


def test_a_file_of_somebody_else_is_refused(run: RunFolder) -> None:
    run.store.write_bytes("labels/outcome=labeled/notes.parquet", b"x")
    with pytest.raises(RunFolderError, match=r"notes.parquet is not a file of emotrove; move it elsewhere"):
        run.chunk_files()


def test_all_rows_as_a_dataset(run: RunFolder) -> None:
    assert run.dataset().count_rows() == 0
    put(run, "labeled", "a", 0, [0, 2])
    put(run, "failed", "a", 0, [1])
    assert run.dataset().count_rows() == 3
    assert run.dataset(["failed"]).to_table()["utterance_id"].to_pylist() == ["a-1"]
    assert run.dataset().schema.equals(LABELS)


def test_duplicates(run: RunFolder) -> None:
    assert run.duplicates() is None
    found = pa.table({"utterance_id": ["x"], "shard": ["b"], "position": pa.array([3], pa.int64())})
    run.write_duplicates(found)
    assert run.duplicates().to_pylist() == [{"utterance_id": "x", "shard": "b", "position": 3}]
