"""The demo, through the real command, in a folder of its own and once more in the same."""

import json
from collections import Counter
from pathlib import Path

import pytest

from manifests.run_folder import RunFolder
from pipeline.demo import SHARD
from pipeline.status import status
from tests.pipeline.command import emotrove

pytestmark = [pytest.mark.ray, pytest.mark.slow]

BAD = {
    "EN_B00000_S00090_W000000": ("rejected", "silent"),
    "ZH_B00000_S00091_W000000": ("failed", "undecodable_audio"),
    "EN_B00000_S00092_W000000": ("rejected", "too_short"),
    "ZH_B00000_S00093_W000000": ("failed", "missing_audio"),
}


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "with a space"
    finished = emotrove("demo", folder)
    assert finished.returncode == 0, finished.stderr
    assert "Every finished shard reconciles" in finished.stdout
    assert "its emotion labels mean nothing" in finished.stdout
    assert "Traceback" not in finished.stderr
    return folder


def test_every_outcome_shows(out: Path) -> None:
    account = status(RunFolder(str(out / "run")))
    assert account.complete
    assert (account.rows, account.labeled, account.rejected, account.failed) == (70, 66, 2, 2)
    rows = RunFolder(str(out / "run")).dataset(["rejected", "failed"]).to_table(["utterance_id", "outcome", "reason"])
    assert {row["utterance_id"]: (row["outcome"], row["reason"]) for row in rows.to_pylist()} == BAD


def test_every_label_has_words_an_emotion_and_a_rationale(out: Path) -> None:
    rows = RunFolder(str(out / "run")).dataset(["labeled"]).to_table().to_pylist()
    assert Counter(row["language"] for row in rows) == {"en": 33, "zh": 33}
    for row in rows:
        assert all(row["style"][f"{name}_level"] for name in ("pitch", "loudness", "rate"))
        assert row["consensus"]["emotion"]
        assert row["rationale"]["text"] and row["rationale"]["text_zh"]
        assert row["quality"]["dnsmos"] is None  # nobody measured it
    for name in ("pitch", "loudness", "rate"):
        for language in ("en", "zh"):
            levels = {row["style"][f"{name}_level"] for row in rows if row["language"] == language}
            assert levels == {"low", "medium", "high"}


def test_page_and_export_are_there(out: Path) -> None:
    page = (out / "report.html").read_text("utf-8")
    assert page.count("<audio controls") == 8
    assert "on synthetic speech, such as that of the demo, they mean nothing" in page
    lines = (out / "dataset" / "dataset.jsonl").read_text("utf-8").splitlines()
    assert lines
    assert all((out / "dataset" / json.loads(line)["wav"]).is_file() for line in lines)


def test_again_in_the_same_folder_changes_nothing(out: Path) -> None:
    kept = [out / SHARD, out / "report.html", *out.glob("run/labels/*/*"), *out.glob("dataset/**/*.wav")]
    before = {path: path.read_bytes() for path in kept}
    finished = emotrove("demo", out)
    assert finished.returncode == 0, finished.stderr
    assert "0 clips" in finished.stdout and "1 were done before" in finished.stdout
    assert {path: path.read_bytes() for path in kept} == before


def test_what_is_not_the_demos_own_is_not_removed(out: Path) -> None:
    (out / "dataset").rename(out / "aside")
    (out / "dataset").mkdir()
    (out / "dataset" / "mine.txt").write_text("mine")
    try:
        finished = emotrove("demo", out)
        assert finished.returncode == 1
        assert "Move it elsewhere" in finished.stderr and "Traceback" not in finished.stderr
        assert (out / "dataset" / "mine.txt").read_text() == "mine"
    finally:
        (out / "dataset" / "mine.txt").unlink()
        (out / "dataset").rmdir()
        (out / "aside").rename(out / "dataset")
