"""A release is read by the tools for which it was made."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pipeline.curation import curate_run
from pipeline.release.verified import Wanted, release_verified
from tests.packages import require
from tests.pipeline.release.test_verified import CLIPS
from tests.pipeline.reviewed_run import reviewed_run
from tests.pipeline.test_export import lines


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The library, which may not ask the network and keeps what it makes to this test."""
    require("datasets", "pip install datasets")
    import datasets as library

    monkeypatch.setattr(library.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(library.config, "HF_HUB_OFFLINE", True)
    return library


def written(tmp_path: Path, **wanted: Any) -> Path:
    run = reviewed_run(tmp_path, CLIPS)
    curate_run(run)
    release_verified(run, tmp_path / "emo", Wanted("emo", **wanted))
    return tmp_path / "emo"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return written(tmp_path)


def test_the_folder(datasets: Any, release: Path) -> None:
    loaded = datasets.load_dataset(str(release))
    assert list(loaded) == ["train"] and loaded["train"].column_names == ["index", "emotion", "wav", "text"]
    assert list(loaded["train"]) == lines(release / "emo.jsonl")
    # As docs/release.md shows how to get at the audio.
    heard = loaded["train"].map(lambda row: {"audio": str(release / row["wav"])})
    heard = heard.cast_column("audio", datasets.Audio(decode=False))
    assert all(Path(row["audio"]["path"]).is_file() for row in heard)


def test_the_folder_with_splits(datasets: Any, tmp_path: Path) -> None:
    release = written(tmp_path, split="50/0/50")
    loaded = datasets.load_dataset(str(release))
    assert {split: list(part) for split, part in loaded.items()} == {
        split: lines(release / f"emo.{split}.jsonl") for split in ("train", "test")
    }
    assert loaded["train"].num_rows + loaded["test"].num_rows == 4
    assert list(datasets.load_dataset(str(release), "all")["train"]) == lines(release / "emo.jsonl")


def test_every_answer(datasets: Any, release: Path) -> None:
    loaded = datasets.load_dataset(str(release), "detailed", split="train")
    assert loaded[2]["answers"][2]["slot"] == "adjudication"


def test_the_table_alone(datasets: Any, release: Path) -> None:
    loaded = datasets.load_dataset("json", data_files=str(release / "emo.jsonl"), split="train")
    assert list(loaded) == lines(release / "emo.jsonl")


@pytest.mark.parametrize("split", [None, "50/0/50"])
def test_the_metadata_pass_their_validator(tmp_path: Path, split: str | None) -> None:
    require("mlcroissant", "pip install mlcroissant")
    import mlcroissant

    release = written(tmp_path, split=split)
    command = [Path(sys.executable).with_name("mlcroissant"), "validate", "--jsonld", str(release / "croissant.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "Done." in done.stderr, done.stderr
    found = mlcroissant.Dataset(jsonld=release / "croissant.json")
    for name, table in (("clips", "emo"), *((part, f"emo.{part}") for part in (("train", "test") if split else ()))):
        rows = [{key.split("/")[1]: value.decode() for key, value in row.items()} for row in found.records(name)]
        assert rows == lines(release / f"{table}.jsonl")


def test_as_a_folder_of_audio(datasets: Any, release: Path) -> None:
    """Up to the decoding, which needs torchcodec and FFmpeg."""
    builder = datasets.load_dataset_builder("audiofolder", data_dir=str(release / "wav"))
    (split,) = builder._split_generators(datasets.DownloadManager())
    rows = [row for _, row in builder._generate_examples(**split.gen_kwargs)]
    assert [(row["index"], row["emotion"], row["text"]) for row in rows] == [
        (row["index"], row["emotion"], row["text"]) for row in lines(release / "emo.jsonl")
    ]
    assert [Path(row["audio"]) for row in rows] == [release / "wav" / f"{row['index']}.wav" for row in rows]
    assert {row["language"] for row in rows} == {"en", "zh"}
