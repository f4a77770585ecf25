"""Models of an object store on the local disk."""

import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest

from manifests.errors import StorageError
from manifests.storage import filesystem
from model.store_cache import StoreUnreachable, cached_folder

NAMES = ("config.json", "model.safetensors")
FETCH = f"from model.store_cache import cached_folder; import sys; print(cached_folder(sys.argv[1], {NAMES!r}))"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EMOTROVE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models"


@pytest.fixture
def model(s3: str) -> str:
    put(s3, weights=b"first")
    return f"s3://{s3}/networks/one"


def put(bucket: str, weights: bytes) -> None:
    import boto3

    client = boto3.client("s3")
    client.put_object(Bucket=bucket, Key="networks/one/config.json", Body=b"{}")
    client.put_object(Bucket=bucket, Key="networks/one/model.safetensors", Body=weights)


def read(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def leave_store(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on nobody answers where the store was."""
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


def test_a_model_is_fetched_once_for_each_of_its_states(model: str, cache: Path, s3: str) -> None:
    first = cached_folder(model, NAMES)
    assert cache in first.parents
    assert sorted(path.name for path in first.iterdir()) == sorted(NAMES)
    marker = first / "model.safetensors"
    before = marker.stat().st_mtime_ns
    assert cached_folder(model + "/", NAMES) == first
    assert marker.stat().st_mtime_ns == before
    put(s3, weights=b"other")  # as long as the first
    second = cached_folder(model, NAMES)
    assert (read(first), read(second)) == (b"first", b"other")
    assert not list(cache.glob("*/.tmp-*"))


def test_without_the_store_what_was_used_last_is_used_and_said(
    model: str, cache: Path, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached_folder(model, NAMES)
    put(s3, weights=b"other")
    latest = cached_folder(model, NAMES)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cached_folder(model, NAMES)
    leave_store(monkeypatch)
    with pytest.warns(StoreUnreachable, match=f"{model} cannot be reached .* fetched from there last is used"):
        assert cached_folder(model, NAMES) == latest
    with pytest.raises(StorageError, match="networks/two cannot be read: .* Check that the store can be reached"):
        cached_folder(model.replace("one", "two"), NAMES)


def test_a_refusal_is_no_reason_to_use_the_cache(model: str, cache: Path, s3: str) -> None:
    import boto3

    cached_folder(model, NAMES)
    boto3.client("s3").delete_object(Bucket=s3, Key="networks/one/model.safetensors")
    with pytest.raises(StorageError, match=r"holds no converted model: .*model\.safetensors is not there"):
        cached_folder(model, NAMES)
    with pytest.raises(StorageError, match="holds no converted model"):
        cached_folder("s3://no-such-bucket-here/x", NAMES)


def test_processes_that_fetch_at_once_do_no_harm(model: str, cache: Path) -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", FETCH, model], stdout=subprocess.PIPE, text=True) for _ in range(4)
    ]
    folders = {process.communicate(timeout=120)[0].strip() for process in running}
    assert [process.returncode for process in running] == [0] * 4
    (folder,) = folders
    assert read(Path(folder)) == b"first"
    assert not list(cache.glob("*/.tmp-*"))


def test_a_model_that_changes_meanwhile_is_not_kept(
    model: str, cache: Path, s3: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fs, _ = filesystem(model)  # the one that is used, fsspec makes one for each store
    get_file = fs.get_file

    def get_file_while_another_is_put(*args: object, **kwargs: object) -> None:
        get_file(*args, **kwargs)
        put(s3, weights=b"other")

    monkeypatch.setattr(fs, "get_file", get_file_while_another_is_put)
    with pytest.raises(StorageError, match="has changed while it was fetched: run the command again"):
        cached_folder(model, NAMES)
    assert not list(cache.glob("*/*"))


def fetched_hours_ago(folder: Path, hours: float) -> None:
    os.utime(folder, (time.time() - hours * 3600,) * 2)


def test_a_new_state_replaces_all_but_the_one_before_it(model: str, cache: Path, s3: str) -> None:
    states = [cached_folder(model, NAMES)]
    for weights in (b"second", b"third", b"the fourth"):
        fetched_hours_ago(states[-1], 2)
        put(s3, weights=weights)
        states.append(cached_folder(model, NAMES))
        assert [state for state in states if state.is_dir()] == states[-2:]
    assert [read(state) for state in states[-2:]] == [b"third", b"the fourth"]
    assert sorted(path.name for path in states[-1].parent.iterdir()) == sorted(
        ["latest", *(state.name for state in states[-2:])]
    )


def test_a_state_that_another_process_may_be_about_to_read_stays(model: str, cache: Path, s3: str) -> None:
    first = cached_folder(model, NAMES)
    old, new = first.parent / ("a" * 16), first.parent / ("b" * 16)
    for folder, hours in ((old, 2), (new, 0.5)):  # of processes that have not yet said which is the latest
        folder.mkdir()
        fetched_hours_ago(folder, hours)
    fetched_hours_ago(first, 2)
    cached_folder(model, NAMES)
    assert old.is_dir(), "nothing was fetched"
    put(s3, weights=b"second")
    cached_folder(model, NAMES)
    assert (first.is_dir(), old.is_dir(), new.is_dir()) == (True, False, True)


def test_what_a_killed_process_left_is_removed_after_a_day(model: str, cache: Path) -> None:
    place = cached_folder(model, NAMES).parent
    for name, age_s in ((".tmp-old", 25 * 3600), (".tmp-new", 60)):
        (place / name).mkdir()
        os.utime(place / name, (time.time() - age_s,) * 2)
    for folder in place.iterdir():
        if folder.is_dir() and not folder.name.startswith("."):
            (folder / "config.json").unlink()
            (folder / "model.safetensors").unlink()
            folder.rmdir()
    cached_folder(model, NAMES)
    assert sorted(path.name for path in place.glob(".tmp-*")) == [".tmp-new"]


def test_a_cache_that_cannot_be_written_is_said(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EMOTROVE_CACHE", str(tmp_path / "file"))
    with pytest.raises(StorageError, match="could not be kept in .* EMOTROVE_CACHE names another folder"):
        cached_folder(model, NAMES)
