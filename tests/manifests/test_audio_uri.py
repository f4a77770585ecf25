"""A clip's place in a shard, as text and back, and its bytes."""

import tarfile
import uuid
from pathlib import Path

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.audio_uri import AudioUri
from manifests.errors import InputError
from tests.speech import write_tar


def test_reads_a_member_of_a_tar_without_the_tar(tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "a.tar", [("a.json", b"{}"), ("a.mp3", b"first"), ("b.mp3", b"second")])
    with tarfile.open(tar) as file:
        found = {info.name: AudioUri(str(tar), info.offset_data, info.size) for info in file}
    assert found["a.mp3"].read() == b"first" and found["b.mp3"].read() == b"second"


@pytest.mark.parametrize("name", ["a#b.tar", "#1+2", "a#0+5#1.wav", "空 白.wav", "a\nb.wav"])
def test_a_path_may_hold_anything(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(b"0123456789")
    uri = AudioUri.parse(str(AudioUri(str(tmp_path / name), 3, 4)))
    assert uri.url == str(tmp_path / name)
    assert uri.read() == b"3456"


@given(st.text(min_size=1), st.integers(0, 2**50), st.integers(0, 2**40))
def test_text_and_back(url: str, offset: int, length: int) -> None:
    uri = AudioUri(url, offset, length)
    assert AudioUri.parse(str(uri)) == uri


@pytest.mark.parametrize("text", ["", "a.tar", "a.tar#1", "a.tar#1+", "a.tar#+1", "a.tar#-1+2", "#1+2", "a.tar#1+2 "])
def test_what_is_no_audio_uri(text: str) -> None:
    with pytest.raises(InputError, match=r"PATH_OR_URL#OFFSET\+LENGTH"):
        AudioUri.parse(text)


def test_a_file_that_is_shorter_than_it_was(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(b"0123456789")
    uri = AudioUri(str(path), 4, 6)
    assert uri.read() == b"456789"
    path.write_bytes(b"01234567")
    with pytest.raises(InputError, match="ends 2 bytes early"):
        uri.read()
    path.write_bytes(b"01")
    with pytest.raises(InputError, match="ends 6 bytes early"):
        uri.read()


def test_a_file_that_is_gone_or_a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Was the shard moved"):
        AudioUri(str(tmp_path / "none.tar"), 0, 1).read()
    with pytest.raises(InputError, match="Could not read"):
        AudioUri(str(tmp_path), 0, 1).read()


def test_on_an_object_store() -> None:
    url = f"memory://{uuid.uuid4().hex}/EN-B000000.tar"
    with fsspec.open(url, "wb") as file:
        file.write(b"0123456789")
    assert AudioUri(url, 2, 3).read() == b"234"
    with pytest.raises(InputError, match="ends 2 bytes early"):
        AudioUri(url, 8, 4).read()
    with pytest.raises(InputError, match="Could not read"):
        AudioUri(url + ".gone", 0, 1).read()
