"""From what the user names to shards."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import fsspec
import pytest

from manifests import inputs
from manifests.errors import InputError
from manifests.inputs import find_shards
from tests.packages import missing
from tests.speech import write_tar


def tar(path: Path) -> Path:
    return write_tar(path, [("a.json", b"{}"), ("a.mp3", b"x")])


def names(*specs: object) -> list[str]:
    return [shard.name for shard in find_shards([str(spec) for spec in specs])]


def test_a_path_a_glob_and_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two, three = (tar(tmp_path / "in" / name) for name in ("EN-2.tar", "EN-1.tar", "deep/ZH-1.TAR"))
    (tmp_path / "in" / "notes.txt").write_text("x")
    (shard,) = find_shards([str(one)])
    assert (shard.name, shard.kind, shard.url, shard.size) == ("EN-2", "tar", str(one), one.stat().st_size)
    assert names(tmp_path / "in" / "*.tar") == ["EN-1", "EN-2"]
    assert names(tmp_path / "in" / "**" / "*.TAR") == ["ZH-1"]
    assert names(tmp_path / "in") == ["EN-1", "EN-2", "ZH-1"]
    assert names(f"file://{two}") == ["EN-1"]
    monkeypatch.chdir(tmp_path)
    assert find_shards(["in/EN-1.tar"])[0].url == str(two), "a worker may have another working directory"
    assert names(three, one) == ["ZH-1", "EN-2"], "the order is the user's"


def test_what_is_named_twice_is_read_once(tmp_path: Path) -> None:
    path = tar(tmp_path / "EN-1.tar")
    assert names(path, path, tmp_path, tmp_path / "*.tar") == ["EN-1"]


def test_a_folder_with_tars_and_audio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "FILES_PER_SHARD", 2)
    root = tmp_path / "voices"
    tar(root / "EN-1.tar")
    for name in ("a.wav", "b/c.mp3", "b/d.FLAC", "e.ogg", "f.opus", "readme.md", ".trash.wav"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).touch()
    found = find_shards([str(root)])
    assert [(s.name, s.kind, s.files) for s in found] == [
        ("EN-1", "tar", ()),
        ("voices-00000", "folder", ("a.wav", "b/c.mp3")),
        ("voices-00001", "folder", ("b/d.FLAC", "e.ogg")),
        ("voices-00002", "folder", ("f.opus",)),
    ]
    (single,) = find_shards([str(root / "a.wav")])
    assert (single.name, single.kind, single.url, single.files) == ("a", "folder", str(root), ("a.wav",))


def test_a_list_is_cut_into_runs_of_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs, "FILES_PER_SHARD", 2)
    path = tmp_path / "list.jsonl"
    path.write_bytes(b'{"a":1}\n{"b":22}\n{"c":333}\n{"d":4}\n{"e":5}')
    found = find_shards([str(path)])
    assert [(s.name, s.lines) for s in found] == [
        ("list-00000", (0, 17, 1)),
        ("list-00001", (17, 18, 3)),
        ("list-00002", (35, 7, 5)),
    ]
    assert b"".join(path.read_bytes()[o : o + n] for o, n, _ in (s.lines for s in found)) == path.read_bytes()


def test_two_tars_of_one_name(tmp_path: Path) -> None:
    for folder in "abc":
        tar(tmp_path / folder / "EN-1.tar")
    first, *others = names(tmp_path)
    assert first == "EN-1" and len({first, *others}) == 3
    assert all(name.startswith("EN-1~") for name in others)
    assert names(tmp_path) == [first, *others]


def test_two_parts_of_a_folder_of_one_name(tmp_path: Path) -> None:
    for folder in "ab":
        (tmp_path / folder / "wav").mkdir(parents=True)
        (tmp_path / folder / "wav" / "1.wav").touch()
    found = names(tmp_path / "a" / "wav", tmp_path / "b" / "wav")
    assert found[0] == "wav-00000" and found[1].startswith("wav-00000~")


def test_names_that_are_no_ids(tmp_path: Path) -> None:
    for name in ("a~b.tar", " a.tar", "caf\udce9.tar", "a\nb.tar", "#1+2.tar"):
        tar(tmp_path / name)
    found = names(tmp_path)
    assert len(set(found)) == 5
    for name in found:
        name.encode()
        assert "/" not in name and "\n" not in name and not name.startswith((" ", "."))


def test_a_tar_that_cannot_be_read_is_still_a_shard(tmp_path: Path) -> None:
    """The job goes on without it and reports it."""
    (tmp_path / "folder.tar").mkdir()
    (tmp_path / "broken.tar").symlink_to(tmp_path / "nowhere")
    (tmp_path / "empty.tar").touch()
    assert [(s.name, s.size) for s in find_shards([str(tmp_path / "*.tar")])] == [
        ("broken", None),
        ("empty", 0),
        ("folder", None),
    ]


@pytest.mark.parametrize("spec", ["none.tar", "none", "*.tar", "none/*", "none/deep/a.tar", "nothing[1-3].tar"])
def test_an_input_that_is_not_there(spec: str, tmp_path: Path) -> None:
    good = tar(tmp_path / "good" / "EN-1.tar")
    with pytest.raises(
        InputError, match="No such input: .*Give a .tar, a folder, a .jsonl file, or a quoted glob"
    ) as raised:
        find_shards([str(good), str(tmp_path / spec)])
    assert str(tmp_path / spec) in str(raised.value)


def test_nothing_in_it(tmp_path: Path) -> None:
    (tmp_path / "notes.md").touch()
    with pytest.raises(InputError, match=r"No shard in .*reads .tar files.*folders with .*.flac.*and .jsonl files"):
        find_shards([str(tmp_path)])
    (tmp_path / "empty.jsonl").touch()
    with pytest.raises(InputError, match="No shard in .*empty.jsonl"):
        find_shards([str(tmp_path / "empty.jsonl")])


def test_a_file_of_another_kind(tmp_path: Path) -> None:
    (tmp_path / "notes.md").touch()
    with pytest.raises(InputError, match="notes.md is not a .tar, a .jsonl, an audio file or a folder"):
        find_shards([str(tmp_path / "notes.md")])


def test_a_path_beyond_any_length() -> None:
    with pytest.raises(InputError, match="File name too long"):
        find_shards(["/tmp/" + "a" * 300])


@contextmanager
def nobody() -> Iterator[None]:
    """Root may read everything, so for a while we are not root."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter, unlike ``tmp_path``."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_what_may_not_be_read(open_folder: Path) -> None:
    secret = open_folder / "secret"
    path = tar(secret / "EN-1.tar")
    lines = open_folder / "list.jsonl"
    lines.write_text("{}")
    lines.chmod(0)
    secret.chmod(0)
    try:
        with nobody():
            if os.access(secret, os.R_OK, effective_ids=True):
                missing("this user may read everything")
            with pytest.raises(InputError, match="Permission denied. Check the path and the permissions"):
                find_shards([str(path)])
            with pytest.raises(InputError, match=r"Could not list .*secret: Permission denied. Check the permissions"):
                find_shards([str(secret)])
            with pytest.raises(InputError, match=r"Could not read .*list.jsonl: Permission denied"):
                find_shards([str(lines)])
    finally:
        secret.chmod(0o755)


@pytest.fixture
def bucket() -> Iterator[str]:
    root = f"memory://{uuid.uuid4().hex}"
    fs, path = fsspec.core.url_to_fs(root)
    for name in ("in/EN-2.tar", "in/EN-1.tar", "in/deep/a.wav", "list.jsonl"):
        fs.pipe_file(f"{path}/{name}", b"12345\n")
    yield root
    fs.rm(path, recursive=True)


def test_urls(bucket: str) -> None:
    assert [(s.name, s.size) for s in find_shards([f"{bucket}/in/*.tar"])] == [("EN-1", 6), ("EN-2", 6)]
    assert find_shards([f"{bucket}/in/EN-1.tar"])[0].url == f"{bucket}/in/EN-1.tar"
    found = find_shards([f"{bucket}/in/"])
    assert [(s.name, s.kind, s.files) for s in found] == [
        ("EN-1", "tar", ()),
        ("EN-2", "tar", ()),
        ("in-00000", "folder", ("deep/a.wav",)),
    ]
    assert all(s.url.startswith(bucket) for s in found)
    assert find_shards([f"{bucket}/list.jsonl"])[0].lines == (0, 6, 1)
    for absent in (f"{bucket}/none.tar", f"{bucket}/none-*.tar"):
        with pytest.raises(InputError, match="No such input|No shard in"):
            find_shards([absent])
