"""What an input holds is told from its headers and its JSON; its audio is not looked at."""

import json
from pathlib import Path

import pytest

from manifests.errors import InputError
from manifests.inputs import find_shards
from pipeline.inspect import MAX_EXAMPLES, inspect
from pipeline.source import survey
from tests.speech import Member, write_tar

NO_AUDIO = b"these bytes are no audio, so whoever decodes them finds out"


def pair(name: str, language: str = "en", suffix: str = "mp3", **more: object) -> list[Member]:
    metadata = {"id": name, "text": f"the words of {name}", "language": language, **more}
    return [(f"{name}.json", json.dumps(metadata).encode()), (f"{name}.{suffix}", NO_AUDIO)]


@pytest.fixture
def mixed(tmp_path: Path) -> list[str]:
    """A tar with problems, a tar without an end mark, a file that is no tar, a folder of audio, a list of audio."""
    members = [
        *pair("EN_B00000_S00001_W000001", duration=1800.0),
        *pair("EN_B00000_S00001_W000002", duration=900.0),
        *pair("EN_B00000_S00002_W000001", "ZH ", "flac", duration=900.0),
        ("lonely.json", pair("lonely")[0][1]),
        ("silent.mp3", NO_AUDIO),
        ("broken.json", b"{"),
        ("broken.mp3", NO_AUDIO),
        ("again.json", pair("EN_B00000_S00001_W000001")[0][1]),
        ("again.mp3", NO_AUDIO),
    ]
    write_tar(tmp_path / "EN-1.tar", members)
    cut = write_tar(tmp_path / "EN-2.tar", pair("c", duration=3600.0))
    # Two members of a header and a block each; the end mark behind them is lost.
    cut.write_bytes(cut.read_bytes()[: 4 * 512])
    (tmp_path / "EN-3.tar").write_bytes(b"no tar at all" * 100)
    (tmp_path / "voices").mkdir()
    for name in ("d.wav", "e.ogg"):
        (tmp_path / "voices" / name).write_bytes(NO_AUDIO)
    lines = [
        {"index": "f", "wav": "voices/d.wav", "language": "de", "speaker": "Ute"},
        {"index": "g", "wav": "voices/absent.wav", "language": "de"},
    ]
    (tmp_path / "list.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return [str(tmp_path / name) for name in ("EN-1.tar", "EN-2.tar", "EN-3.tar", "voices", "list.jsonl")]


def test_figures_of_a_mixed_input(mixed: list[str]) -> None:
    found = inspect(mixed)
    assert (found.shards, found.utterances) == (5, 12)
    assert found.hours == pytest.approx(2.0), "1800, 900, 900 and 3600 s, as stated"
    assert found.without_duration == 8
    assert found.languages == {"en": 5, "?": 4, "de": 2, "zh": 1}
    assert found.formats == {"mp3": 6, "?": 2, "wav": 2, "flac": 1, "ogg": 1}
    assert found.bytes == sum(Path(path).stat().st_size for path in mixed if Path(path).is_file())


def test_problems_are_counted_and_shown(mixed: list[str]) -> None:
    found = inspect(mixed)
    assert found.problems == {
        "missing_audio": 2,
        "missing_json": 1,
        "invalid_json": 1,
        "duplicate_id": 1,
        "no_end_mark": 1,
        "unreadable_shard": 1,
    }
    shown = "\n".join(found.examples)
    assert len(found.examples) == 7
    for words in (
        "lonely: missing_audio: lonely has no audio member",
        "silent: missing_json: silent has no .json member",
        "broken: invalid_json: not JSON",
        "EN_B00000_S00001_W000001~4: duplicate_id",
        "EN-2.tar: the tar has no end mark",
        "EN-3.tar is not a tar",
        "g: missing_audio",
    ):
        assert words in shown


def test_sources_are_recordings_or_speakers(tmp_path: Path) -> None:
    members = [
        *pair("EN_B00000_S00001_W000001"),
        *pair("EN_B00000_S00001_W000002"),
        *pair("EN_B00000_S00002_W000001"),
        *pair("x", speaker="Ute"),
        *pair("y", speaker="Ute"),
        *pair("z"),
    ]
    assert inspect([str(write_tar(tmp_path / "EN-1.tar", members))]).sources == 3


def test_audio_is_skipped_over(tmp_path: Path) -> None:
    members = [member for i in range(10) for member in pair(f"c{i}", duration=36.0)]
    members = [(name, bytes(100_000) if name.endswith(".mp3") else data) for name, data in members]
    tar = write_tar(tmp_path / "EN-1.tar", members)
    found = inspect([str(tar)])
    assert (found.utterances, found.problems) == (10, {}), "that it cannot be decoded is for the job to find out"
    assert found.hours == pytest.approx(0.1)
    (shard,) = find_shards([str(tar)])
    assert 0 < sum(chunk.bytes_read for chunk in survey(shard)) < found.bytes / 10


def test_examples_are_some_of_the_problems(tmp_path: Path) -> None:
    members = [(f"c{i:02d}.json", pair(f"c{i:02d}")[0][1]) for i in range(MAX_EXAMPLES + 5)]
    found = inspect([str(write_tar(tmp_path / "EN-1.tar", members))])
    assert found.problems == {"missing_audio": MAX_EXAMPLES + 5}
    assert len(found.examples) == MAX_EXAMPLES


def test_each_shard_is_announced(mixed: list[str]) -> None:
    heard: list[tuple[int, int]] = []
    inspect(mixed, lambda done, total: heard.append((done, total)))
    assert heard == [(0, 5), (1, 5), (2, 5), (3, 5), (4, 5)]


def test_the_figures_can_be_written_as_json(mixed: list[str]) -> None:
    found = inspect(mixed)
    assert json.loads(json.dumps(found.to_json())) == found.to_json()
    assert set(found.to_json()) >= {"shards", "utterances", "hours", "languages", "problems", "examples"}


def test_nothing_to_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such input"):
        inspect([str(tmp_path / "absent.tar")])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="No shard in"):
        inspect([str(tmp_path / "empty")])
