"""A release of all that EMO-Emilia publishes, and one that keeps all of it out."""

import json
from collections import Counter
from pathlib import Path

import pytest

from manifests.run_folder import RunFolder
from pipeline.curation import curate_run
from tests.pipeline.command import cli
from tests.pipeline.reviewed_run import heard, reviewed_run
from tests.pipeline.test_export import lines

PARTS = ("train", "validation", "test")
OTHERS = ("DE_B00001_S00001_W000000", "DE_B00001_S00002_W000000")
"""Clips of recordings that EMO-Emilia does not have."""


@pytest.fixture(scope="module")
def published(shared_data: Path) -> Path:
    return shared_data / "emo_emilia" / "Emo-Emilia-ALL.jsonl"


@pytest.fixture(scope="module")
def run(published: Path, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Its 1,400 clips, one more of its first recording, and two of others; two experts say of each what is published.

    The audio is not published with the table, so each clip is a tone of its own.
    """
    rows = lines(published)
    sibling = f"{rows[0]['index'].rpartition('_')[0]}_W999999"
    clips = [(row["index"], row["emotion"], row["text"], row["index"][:2].lower()) for row in rows]
    clips += [(name, "sad", f"words of {name}", "de") for name in (sibling, *OTHERS)]
    made = reviewed_run(
        tmp_path_factory.mktemp("emo"),
        [
            heard(name, emotion, emotion, text=text, language=language, source_id=name.rpartition("_")[0])
            for name, emotion, text, language in clips
        ],
    )
    curate_run(made)
    return made


def test_19_groups_of_the_same_text_stay_together(run: RunFolder, published: Path, tmp_path: Path) -> None:
    out = tmp_path / "emo"
    done = cli(
        *("export", run, out, "--verified", "--languages", "en,zh", "--per-class", 100, "--split", "80/10/10"), "--json"
    )
    assert done.exit_code == 0, done.output
    release = json.loads(done.stdout)
    assert (release["clips"], release["short"], release["split_warnings"]) == (1400, {}, [])
    rows, expected = lines(out / "emo.jsonl"), lines(published)
    assert {tuple(row) for row in rows} == {tuple(row) for row in expected}
    assert {(row["index"], row["emotion"], row["text"]) for row in rows} == {
        (row["index"], row["emotion"], row["text"]) for row in expected
    }
    split_of = {row["index"]: part for part in PARTS for row in lines(out / f"emo.{part}.jsonl")}
    assert Counter(split_of.values()) == {"train": 1120, "validation": 140, "test": 140}
    found = json.loads((out / "splits.json").read_text("utf-8"))["same_text"]
    assert (found["groups"], found["extra_rows"]) == (19, 22)
    for ids in found["ids"]:
        assert len({split_of[index] for index in ids}) == 1


def test_its_ids_and_their_recordings_are_kept_out(run: RunFolder, published: Path, tmp_path: Path) -> None:
    done = cli("export", run, tmp_path / "ours", "--verified", "--exclude", published, "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["removed"] == {"taken_down": 0, "excluded": 1401}
    assert [row["index"] for row in lines(tmp_path / "ours" / "ours.jsonl")] == list(OTHERS)
    assert sorted(path.stem for path in (tmp_path / "ours" / "wav").glob("*.wav")) == list(OTHERS)
