"""Copying clips out of shards, into the folder that Label Studio serves."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from manifests.audio_uri import AudioUri
from manifests.errors import InputError, StorageError
from review_ui.clips import ClipFolder, clip_name
from tests.review_ui.clip_rows import clip_rows
from tests.speech import small_shards

KEY = b"a key"


@pytest.fixture
def rows(shared_data: Path, tmp_path: Path) -> list[dict[str, Any]]:
    return clip_rows(small_shards(shared_data, tmp_path, 1, 12)[0])


def test_clips_are_the_bytes_of_the_shard_under_names_that_say_nothing(
    rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    folder = ClipFolder(str(tmp_path / "clips"), KEY)
    assert folder.add(rows) == {}
    assert len(list((tmp_path / "clips").iterdir())) == len(rows) == 12
    for row in rows:
        name = folder.name(row)
        assert (tmp_path / "clips" / name).read_bytes() == AudioUri.parse(row["audio_uri"]).read()
        assert name.endswith(".mp3")
        assert row["utterance_id"] not in name
        assert name == clip_name(row, KEY) != clip_name(row, b"another key")


def test_what_is_there_is_not_copied_again(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    place = tmp_path / "clips"
    folder = ClipFolder(str(place), KEY)
    folder.add(rows)
    before = {path.name: path.stat().st_mtime_ns for path in place.iterdir()}
    cut_short = place / folder.name(rows[3])
    cut_short.write_bytes(b"half")
    Path(AudioUri.parse(rows[0]["audio_uri"]).url).rename(tmp_path / "moved.tar")
    again = ClipFolder(str(place), KEY).add(rows)
    # Only the one that must be copied anew misses the shard.
    assert list(again) == [rows[3]["utterance_id"]]
    unchanged = {path.name: path.stat().st_mtime_ns for path in place.iterdir() if path != cut_short}
    assert unchanged == {name: at for name, at in before.items() if name != cut_short.name}


def test_a_clip_that_cannot_be_had_is_told_and_keeps_back_no_other(rows: list[dict[str, Any]], tmp_path: Path) -> None:
    changed = tmp_path / "changed.tar"
    uri = AudioUri.parse(rows[1]["audio_uri"])
    shutil.copyfile(uri.url, changed)
    with changed.open("r+b") as file:
        file.seek(uri.offset + 100)
        file.write(b"other audio")
    rows[0]["audio_uri"] = str(AudioUri(str(tmp_path / "gone.tar"), 0, 10))
    rows[1]["audio_uri"] = str(AudioUri(str(changed), uri.offset, uri.length))
    rows[2]["audio_uri"] = str(AudioUri(uri.url, 10**9, 10))
    rows[3]["audio_format"] = "m4a"
    rows[4]["audio_format"] = None
    rows[5]["audio_uri"] = None
    why = ClipFolder(str(tmp_path / "clips"), KEY).add(rows)
    assert list(why) == [row["utterance_id"] for row in rows[:6]]
    texts = list(why.values())
    assert "Was the shard moved?" in texts[0]
    assert texts[1].endswith("is not the audio that was labelled: the shard has changed")
    assert "ends 10 bytes early" in texts[2]
    assert texts[3] == "browsers do not play 'm4a' audio; they play flac, mp3, ogg, opus, wav"
    assert "'unknown' audio" in texts[4]
    assert "is not an audio_uri" in texts[5]
    assert len(list((tmp_path / "clips").iterdir())) == len(rows) - 6


def test_a_full_disk_stops_it(rows: list[dict[str, Any]], small_disk: Path) -> None:
    with pytest.raises(StorageError, match="The disk is full"):
        ClipFolder(str(small_disk / "clips"), KEY).add(rows * 3)


def test_no_format_but_those_that_are_played() -> None:
    with pytest.raises(InputError, match="browsers do not play"):
        clip_name({"utterance_id": "u", "audio_format": "amr"}, KEY)
