"""Splitting a published JSONL."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import pytest

from manifests.errors import InputError
from manifests.groups import SplitError
from pipeline.split import split_file
from tests.pipeline.command import emotrove

PARTS = ("train", "validation", "test")


def _write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
    return path


def _clips(n: int, **more: Any) -> list[dict[str, Any]]:
    return [
        {"index": f"u{i:02d}", "emotion": "sad", "wav": f"./wav/u{i:02d}.wav", "text": "", **more} for i in range(n)
    ]


def _index(path: Path) -> list[str]:
    return [json.loads(line)["index"] for line in path.read_text("utf-8").splitlines()]


def test_the_published_test_set_through_the_command(shared_data: Path, tmp_path: Path) -> None:
    published = shared_data / "emo_emilia" / "Emo-Emilia-ALL.jsonl"
    done = emotrove("split", published, tmp_path / "out", "--split", "80/10/10", "--seed", "3")
    assert done.returncode == 0, done.stderr
    assert "same text: 19 groups, 22 extra rows; near text: 2 pairs" in done.stdout
    assert "audio not compared for 1,400 of 1,400 rows" in done.stdout and "warning" not in done.stdout
    files = {part: tmp_path / "out" / f"Emo-Emilia-ALL.{part}.jsonl" for part in PARTS}
    lines = published.read_bytes().splitlines()
    split_of = {}
    for part, path in files.items():
        held = path.read_bytes().splitlines()
        assert held == [line for line in lines if line in set(held)]  # byte for byte, in their order
        split_of.update(dict.fromkeys(_index(path), part))
    assert Counter(split_of.values()) == {"train": 1120, "validation": 140, "test": 140}
    found = json.loads((tmp_path / "out" / "Emo-Emilia-ALL.splits.json").read_text("utf-8"))
    assert (found["same_text"]["groups"], found["same_text"]["extra_rows"]) == (19, 22)
    for ids in found["same_text"]["ids"]:
        assert len({split_of[index] for index in ids}) == 1
    loaded = datasets.load_dataset(
        "json", data_files={p: str(f) for p, f in files.items()}, cache_dir=str(tmp_path / "c")
    )
    assert {part: rows.num_rows for part, rows in loaded.items()} == {"train": 1120, "validation": 140, "test": 140}


def test_the_same_command_gives_the_same_bytes(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", _clips(40))
    written = []
    for _ in range(2):
        split_file(path, tmp_path / "out", "80/10/10")
        written.append({file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()})
    assert written[0] == written[1] and set(written[0]) == {"a.splits.json", *(f"a.{part}.jsonl" for part in PARTS)}


def test_a_part_of_an_earlier_split_does_not_stay(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", _clips(40))
    split_file(path, tmp_path, "80/10/10")
    found = split_file(path, tmp_path, "50/0/50")
    assert set(found.files) == {"train", "test"} and not (tmp_path / "a.validation.jsonl").exists()
    assert sorted(_index(tmp_path / "a.train.jsonl") + _index(tmp_path / "a.test.jsonl")) == [
        f"u{i:02d}" for i in range(40)
    ]
    assert _index(path) == [f"u{i:02d}" for i in range(40)]


def test_the_same_audio_stays_together(tmp_path: Path) -> None:
    (tmp_path / "wav").mkdir()
    for i in range(39):
        (tmp_path / "wav" / f"u{i:02d}.wav").write_bytes(bytes([i % 13]))
    found = split_file(_write(tmp_path / "a.jsonl", _clips(40)), tmp_path / "out", "34/33/33")
    assert found.audio_missing == 1
    assert found.report.group_sizes == {1: 1, 3: 13}
    assert found.report.same_audio.groups == [[f"u{i:02d}", f"u{i + 13:02d}", f"u{i + 26:02d}"] for i in range(13)]


def test_source_and_speaker_of_a_row_count(tmp_path: Path) -> None:
    rows = [{**row, "source_id": f"tape {i % 4}"} for i, row in enumerate(_clips(20))]
    assert split_file(_write(tmp_path / "a.jsonl", rows), tmp_path / "out", "50/25/25").report.group_sizes == {5: 4}
    rows = [{**row, "speaker": f"p{i % 5}"} for i, row in enumerate(_clips(20))]
    assert split_file(_write(tmp_path / "a.jsonl", rows), tmp_path / "out", "50/25/25").report.group_sizes == {4: 5}


def test_a_giant_group_is_a_warning_with_its_remedy(tmp_path: Path) -> None:
    text = "Kids are talking by the big red door of the school"
    path = _write(
        tmp_path / "read.jsonl", [{**row, "source_id": f"s{i % 10}"} for i, row in enumerate(_clips(40, text=text))]
    )
    done = emotrove("split", path, tmp_path / "out", "--split", "50/25/25")
    assert done.returncode == 0 and "leave text out" in done.stdout and "holds 40 of 40 rows" in done.stdout
    assert [file.name for file in (tmp_path / "out").glob("*.jsonl")] == ["read.train.jsonl"]
    done = emotrove("split", path, tmp_path / "out", "--split", "50/20/30", "--split-by", "source,audio", "--json")
    found = json.loads(done.stdout)
    assert [size["got"] for size in found["splits"].values()] == [20, 8, 12]
    assert found["warnings"] == [] and found["by"] == ["source", "audio"]


def test_the_warning_tells_one_source_and_what_to_do_about_a_speaker(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.jsonl", _clips(20, source_id="tape", speaker="ann"))
    (first, *_) = split_file(path, tmp_path / "out", "50/0/50", by=("speaker", "audio")).report.warnings
    assert "holds 20 of 20 rows from 1 source, and" in first
    assert "If speaker joined no rows, the largest group would have 1. They come from too few speakers" in first


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "holds no rows"),
        ('{"index": "a", "emotion": "sad"}\n{"index"\n', "a.jsonl, line 2: not valid JSON"),
        ("[1]\n", "line 1: not a JSON object"),
        ('{"emotion": "sad"}\n', "line 1: the row has no 'index'"),
        ('{"index": "a"}\n', "line 1: the row has no 'emotion'"),
        ('\n{"index": "a", "emotion": "sad", "text": 5}\n', "line 2: 'text' must be a text"),
        ('{"index": "a", "emotion": "sad", "text": "\\ud800"}\n', "line 1: 'text' holds half a character"),
        ("[" * 100_000, "line 1: not valid JSON"),
        ("\ufffe\n", "line 1: not valid JSON"),
    ],
)
def test_a_file_that_holds_no_rows_is_an_error(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "a.jsonl").write_text(text, "utf-8")
    with pytest.raises(InputError, match=says):
        split_file(tmp_path / "a.jsonl", tmp_path / "out", "80/10/10")
    assert not (tmp_path / "out").exists()


def test_an_id_that_is_there_twice_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SplitError, match="u00 is there twice"):
        split_file(_write(tmp_path / "a.jsonl", _clips(3) + _clips(1)), tmp_path / "out", "80/10/10")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--split", "80/20"), "such as 80/10/10"),
        (("--split-by", "mood"), "choose from source"),
        (("--split-by", ","), "Nothing is named"),
    ],
)
def test_a_wrong_option_is_one_message(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    done = emotrove("split", _write(tmp_path / "a.jsonl", _clips(3)), tmp_path / "out", *options)
    assert done.returncode == 1 and says in done.stderr and "Traceback" not in done.stderr


def test_a_wav_that_is_no_file_is_not_read(tmp_path: Path) -> None:
    rows = [{**row, "wav": wav} for row, wav in zip(_clips(4), ["/dev/zero", ".", "", "a\x00b"], strict=True)]
    assert split_file(_write(tmp_path / "a.jsonl", rows), tmp_path / "out", "50/25/25").audio_missing == 4
