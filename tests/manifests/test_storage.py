"""A file of a run is there whole or not at all, on a disk and on an object store."""

import errno
import os
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from manifests.errors import StorageError
from manifests.storage import Store, file_size, is_url, local_path, open_binary
from tests.packages import require


@pytest.fixture(params=["local", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "local":
        yield Store(str(tmp_path / "run"))
        return
    store = Store(f"memory://{uuid.uuid4().hex}/run")
    yield store
    if store.exists(""):
        store.remote[0].rm(store.remote[1], recursive=True)


def test_write_read_replace_delete(store: Store) -> None:
    assert not store.exists("a/b.txt")
    with pytest.raises(FileNotFoundError):
        store.read_bytes("a/b.txt")
    store.write_bytes("a/b.txt", b"one")
    store.write_text("a/b.txt", "zwei ✓")
    assert store.exists("a/b.txt") and store.read_text("a/b.txt") == "zwei ✓"
    store.delete("a/b.txt")
    store.delete("a/b.txt")
    assert not store.exists("a/b.txt")


def test_list_names_the_files_of_one_folder(store: Store) -> None:
    assert store.list("a") == []
    for name in ("a/2", "a/1", "a/deep/3", "b/4"):
        store.write_bytes(name, b"x")
    assert store.list("a") == ["a/1", "a/2"]
    store.delete("a/1")
    assert store.list("a") == ["a/2"]


def test_a_file_where_a_folder_should_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("")
    store = Store(str(tmp_path / "run"))
    refused = "run/a: is a file, not a folder. A part of the path is a file: give another path"
    with pytest.raises(StorageError, match=refused):
        store.write_bytes("a", b"x")
    with pytest.raises(StorageError, match=refused):
        store.create("a", b"x")
    with pytest.raises(StorageError, match=refused), store.writing("a"):
        pytest.fail("there is nothing to write to")


def test_create_writes_once(store: Store) -> None:
    assert store.create("lease", b"first")
    assert not store.create("lease", b"second")
    assert store.read_bytes("lease") == b"first"
    store.delete("lease")
    assert store.create("lease", b"third")


def test_of_many_that_create_at_once_one_wins(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    for attempt in range(20):
        name = f"{attempt}/lease"
        with ThreadPoolExecutor(16) as pool:
            won = list(pool.map(lambda i, name=name: store.create(name, str(i).encode()), range(16)))
        assert sum(won) == 1
        assert store.read_text(name) == str(won.index(True))
        assert os.listdir(tmp_path / str(attempt)) == ["lease"]


def test_ensure_leaves_nothing_behind(store: Store) -> None:
    store.ensure()
    store.ensure()
    assert store.list("") == []


MORE_THAN_THE_DISK = b"x" * 400_000


def test_a_write_to_a_full_disk_leaves_the_old_file(small_disk: Path) -> None:
    store = Store(str(small_disk))
    store.write_bytes("done/a.json", b"old")
    with pytest.raises(StorageError, match=r"done/a\.json.*disk is full: free some space") as raised:
        store.write_bytes("done/a.json", MORE_THAN_THE_DISK)
    assert str(small_disk) in str(raised.value)
    assert store.read_bytes("done/a.json") == b"old"
    assert os.listdir(small_disk / "done") == ["a.json"]


def test_a_write_that_cannot_be_renamed_leaves_nothing_aside(tmp_path: Path) -> None:
    (tmp_path / "done" / "a.json").mkdir(parents=True)
    with pytest.raises(StorageError, match=r"done/a\.json"):
        Store(str(tmp_path)).write_bytes("done/a.json", b"new")
    assert os.listdir(tmp_path / "done") == ["a.json"]


def test_a_create_on_a_full_disk_leaves_nothing(small_disk: Path) -> None:
    store = Store(str(small_disk))
    with pytest.raises(StorageError, match="disk is full"):
        store.create("lease.json", MORE_THAN_THE_DISK)
    assert os.listdir(small_disk) == []
    assert store.create("lease.json", b"{...}")


def test_a_temporary_file_of_a_killed_job_is_not_listed(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.write_bytes("done/a.json", b"{}")
    (tmp_path / "done" / ".tmp-1234").write_bytes(b"half")
    assert store.list("done") == ["done/a.json"]


def test_a_run_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "run").write_text("not a folder")
    with pytest.raises(StorageError, match="run"):
        Store(str(tmp_path / "run")).ensure()
    with pytest.raises(StorageError, match="run/below"):
        Store(str(tmp_path / "run" / "below")).ensure()


def test_an_unknown_kind_of_store_is_named() -> None:
    with pytest.raises(StorageError, match="nosuch://place.*local path or a URL"):
        Store("nosuch://place/run").exists("x")


def test_a_store_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    require("s3fs", "pip install 'emotrove[s3]'")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "x")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    import s3fs

    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    store = Store(f"s3://{uuid.uuid4().hex}/run")
    for attempt in (lambda: store.write_bytes("a", b"x"), lambda: store.list("labels"), lambda: store.read_bytes("a")):
        with pytest.raises(StorageError, match="reached"):
            attempt()


def test_paths_and_urls(tmp_path: Path) -> None:
    assert (
        is_url("s3://a/b")
        and is_url("memory://a")
        and not is_url("file:///a")
        and not is_url("/a")
        and not is_url("a:b")
    )
    assert local_path("file:///a/b") == Path("/a/b")
    assert Store("s3://bucket/run/").path("done/x") == "s3://bucket/run/done/x"
    (tmp_path / "x").write_bytes(b"12345")
    assert Store(f"file://{tmp_path}").read_bytes("x") == b"12345"
    with open_binary(f"file://{tmp_path}/x") as file:
        assert file.read() == b"12345"
    assert file_size(f"file://{tmp_path}/x") == file_size(str(tmp_path / "x")) == 5


def test_the_size_of_what_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError):
        file_size(str(tmp_path))
    with pytest.raises(FileNotFoundError):
        file_size(str(tmp_path / "none"))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        file_size(str(tmp_path / "pipe"))  # opening it would wait forever


def test_create_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems have none; the file is still created by one caller only."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    store = Store(str(tmp_path))
    assert store.create("lease.json", b"mine")
    assert not store.create("lease.json", b"yours")
    assert store.read_bytes("lease.json") == b"mine"
    assert os.listdir(tmp_path) == ["lease.json"]


def test_a_stream_is_there_whole_or_not_at_all(store: Store) -> None:
    with store.writing("a/b") as path:
        path.write_bytes(b"one")
        assert not store.exists("a/b")
    assert store.read_bytes("a/b") == b"one"
    with pytest.raises(ZeroDivisionError), store.writing("a/b") as path:
        path.write_bytes(b"half")
        _ = 1 / 0
    assert store.read_bytes("a/b") == b"one" and store.list("a") == ["a/b"]
    with pytest.raises(FileExistsError), store.writing("a/b", new=True) as path:
        path.write_bytes(b"two")
    with store.writing("a/c", new=True) as path:
        path.write_bytes(b"new")
    with store.writing("a/b") as path:
        path.write_bytes(b"three")
    assert [store.read_bytes(name) for name in store.list("a")] == [b"three", b"new"]


def test_a_stream_to_a_full_disk_leaves_the_old_file(small_disk: Path) -> None:
    store = Store(str(small_disk))
    store.write_bytes("a", b"old")
    full = pytest.raises(StorageError, match=f"Could not write {small_disk}/a: .* The disk is full")
    with full, store.writing("a") as path, path.open("wb") as file:
        file.write(bytes(400_000))
        file.flush()
    assert store.read_bytes("a") == b"old" and sorted(os.listdir(small_disk)) == ["a"]
