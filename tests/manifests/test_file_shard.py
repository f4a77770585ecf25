"""Folders of audio and JSONL lists become the same rows as tars."""

import json
import os
from collections.abc import Container
from pathlib import Path

import pytest

from manifests.emilia import PENDING, Row
from manifests.inputs import find_shards
from manifests.tar_shard import MAX_AUDIO_BYTES
from pipeline.chunks import Chunk
from pipeline.source import ShardPlan, read_shard


def read(path: Path, skip: Container[int] = (), audio: bool = True) -> list[Row]:
    (shard,) = find_shards([str(path)])
    found = []
    for chunk in read_shard(ShardPlan(shard, skip=frozenset(skip), clips_per_chunk=3), audio):
        chunk.to_table()  # every row fits into Arrow
        assert chunk.error is None
        found += chunk.clips
    return found


def ending(row: Row) -> tuple[str, str | None, str | None]:
    return row["outcome"], row.get("stage"), row.get("reason")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "voices"
    for name in ("b.wav", "a.MP3", "deep/er/c.flac", "deep/a.ogg", "x.txt", ".hidden.wav", "deep/d.e.opus"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def test_a_folder(folder: Path) -> None:
    found = read(folder)
    assert [(row["position"], row["utterance_id"]) for row in found] == [
        (0, "a"),
        (1, "b"),
        (2, "deep--a"),
        (3, "deep--d.e"),
        (4, "deep--er--c"),
    ]
    assert [row["audio"] for row in found] == [b"a.MP3", b"b.wav", b"deep/a.ogg", b"deep/d.e.opus", b"deep/er/c.flac"]
    assert [row["audio_format"] for row in found] == ["mp3", "wav", "ogg", "opus", "flac"]
    assert {ending(row) for row in found} == {(PENDING, None, None)}
    assert found[1]["audio_uri"] == f"{folder}/b.wav#0+5"


def test_what_may_be_wrong_in_a_folder(folder: Path) -> None:
    (folder / "empty.wav").touch()
    (folder / "gone.wav").symlink_to(folder / "nowhere")
    with (folder / "huge.wav").open("wb") as file:
        file.truncate(MAX_AUDIO_BYTES + 1)  # a hole: no disk is used
    os.mkfifo(folder / "pipe.wav")
    (folder / os.fsdecode(b"caf\xe9.wav")).write_bytes(b"x")
    (folder / "line\nbreak.wav").write_bytes(b"x")
    (folder / "deep--a.wav").write_bytes(b"x")
    found = {row["utterance_id"]: row for row in read(folder)}
    assert len(found) == 12
    assert ending(found["empty"]) == (PENDING, None, None) and found["empty"]["audio"] == b""
    assert ending(found["gone"]) == ending(found["pipe"]) == ("failed", "read", "missing_audio")
    assert ending(found["huge"]) == ("rejected", "read", "too_large")
    rest = {name: ending(row) for name, row in found.items() if "~" in name}
    assert sorted(name.split("~")[0] for name in rest) == ["caf_udce9", "deep--a", "line_break"]
    assert sorted(rest.values()) == [("rejected", "read", "duplicate_id")] + [("rejected", "read", "invalid_id")] * 2


def test_a_file_that_vanishes_between_planning_and_reading(folder: Path) -> None:
    (shard,) = find_shards([str(folder)])
    (folder / "b.wav").unlink()
    (chunk,) = read_shard(ShardPlan(shard))
    assert [ending(row)[2] for row in chunk.clips] == [None, "missing_audio", None, None, None]
    assert f"{folder}/b.wav" in chunk.clips[1]["detail"] and "No such file" in chunk.clips[1]["detail"]


def lines(path: Path, *content: object) -> Path:
    raw = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in content]
    path.write_bytes(b"\n".join(raw))
    return path


def test_a_list(folder: Path) -> None:
    path = lines(
        folder / "list.jsonl",
        {"index": "one", "wav": "b.wav", "text": "hello", "language": "en", "speaker": "s1"},
        b"",
        {"index": "two", "wav": "./deep/a.ogg"},
        {"index": "EN_B00000_S00001_W000002", "wav": str(folder / "a.MP3"), "extra": [1]},
        {"index": "four", "wav": f"file://{folder}/b.wav", "text": None},
    )
    found = read(path)
    assert [(row["position"], row["utterance_id"], row["audio"]) for row in found] == [
        (0, "one", b"b.wav"),
        (1, "two", b"deep/a.ogg"),
        (2, "EN_B00000_S00001_W000002", b"a.MP3"),
        (3, "four", b"b.wav"),
    ]
    assert (found[0]["text"], found[0]["language"], found[0]["speaker"]) == ("hello", "en", "s1")
    assert found[2]["source_id"] == "EN_B00000_S00001" and found[2]["language"] == "en"


BAD_LINES = {
    "not JSON": (b"one b.wav", "invalid_json"),
    "not UTF-8": (b'{"index": "\xff", "wav": "b.wav"}', "invalid_json"),
    "an array": (b'["x", "b.wav"]', "invalid_json"),
    "nested without end": (b"[" * 100_000, "invalid_json"),
    "no index": ({"wav": "b.wav"}, "missing_field"),
    "no wav": ({"index": "x"}, "missing_field"),
    "index is a number": ({"index": 3, "wav": "b.wav"}, "missing_field"),
    "text is a number": ({"index": "x", "wav": "b.wav", "text": 3}, "missing_field"),
    "no such file": ({"index": "x", "wav": "none.wav"}, "missing_audio"),
    "a folder": ({"index": "x", "wav": "deep"}, "missing_audio"),
    "empty path": ({"index": "x", "wav": ""}, "missing_audio"),
    "a path with a NUL": ({"index": "x", "wav": "a\0b.wav"}, "missing_audio"),
    "a path with half a surrogate pair": ({"index": "x", "wav": "\ud800.wav"}, "missing_audio"),
    "a path beyond any length": ({"index": "x", "wav": "a" * 5000}, "missing_audio"),
    "a device without end": ({"index": "x", "wav": "/dev/zero"}, "missing_audio"),
    "an unknown kind of URL": ({"index": "x", "wav": "nosuch://a/b.wav"}, "missing_audio"),
    "nothing there that answers": ({"index": "x", "wav": "http://127.0.0.1:1/b.wav"}, "missing_audio"),
    "a separator in the id": ({"index": "a/b", "wav": "b.wav"}, "invalid_id"),
    "an id twice": ({"index": "first", "wav": "b.wav"}, "duplicate_id"),
}


@pytest.mark.parametrize(("line", "reason"), BAD_LINES.values(), ids=BAD_LINES)
def test_a_line_that_cannot_be_used(line: object, reason: str, folder: Path) -> None:
    path = lines(
        folder / "list.jsonl", {"index": "first", "wav": "a.MP3"}, line, {"index": "last", "wav": "b.wav"}, b""
    )
    before, bad, after = read(path)
    assert (before["utterance_id"], after["utterance_id"]) == ("first", "last")
    assert ending(before) == ending(after) == (PENDING, None, None)
    assert ending(bad) == ("rejected" if reason.endswith("_id") else "failed", "read", reason)
    assert bad["detail"]
    if reason in ("invalid_json", "missing_field"):
        assert bad["utterance_id"] == "list-00000~line2" and "line 2" in bad["detail"]


def test_skipping_changes_nothing_for_the_rest(folder: Path) -> None:
    path = lines(
        folder / "list.jsonl", *({"index": f"i{i % 4}", "wav": "b.wav" if i % 3 else "none.wav"} for i in range(8))
    )
    for source in (folder, path):
        everything = read(source)
        assert read(source, skip={1, 3, 4}) == [row for row in everything if row["position"] not in (1, 3, 4)]


def test_an_error_text_fits_into_arrow_whatever_the_name(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.tar")
    path.write_bytes(b"not a tar")
    (shard,) = find_shards([str(path)])
    for _ in range(2):
        (chunk,) = read_shard(ShardPlan(shard))
        (same,) = Chunk.from_table(chunk.to_table())
        assert same.error and "caf\\udce9.tar" in same.error
        path.unlink(missing_ok=True)
