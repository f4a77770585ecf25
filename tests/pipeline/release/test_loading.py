"""A release is read by the tools for which it was made."""

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


@pytest.fixture
def release(tmp_path: Path) -> Path:
    run = reviewed_run(tmp_path, CLIPS)
    curate_run(run)
    release_verified(run, tmp_path / "emo", Wanted("emo"))
    return tmp_path / "emo"


def test_the_table_alone(datasets: Any, release: Path) -> None:
    loaded = datasets.load_dataset("json", data_files=str(release / "emo.jsonl"), split="train")
    assert loaded.column_names == ["index", "emotion", "wav", "text"]
    assert list(loaded) == lines(release / "emo.jsonl")
    # As docs/release.md shows how to get at the audio.
    heard = loaded.map(lambda row: {"audio": str(release / row["wav"])})
    heard = heard.cast_column("audio", datasets.Audio(decode=False))
    assert all(Path(row["audio"]["path"]).is_file() for row in heard)


def test_every_answer(datasets: Any, release: Path) -> None:
    loaded = datasets.load_dataset("json", data_files=str(release / "labels_detailed.jsonl"), split="train")
    assert loaded[2]["answers"][2]["slot"] == "adjudication"


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
