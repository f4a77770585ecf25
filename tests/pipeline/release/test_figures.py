"""The figures of a release, and the card that shows them."""

from pathlib import Path

import pyarrow as pa
import pytest
import yaml
from sklearn.metrics import cohen_kappa_score

from manifests.review import TASKS
from manifests.review_folder import ReviewFolder
from pipeline.curation import curate_run
from pipeline.release.verified import Wanted, release_verified
from tests.pipeline.reviewed_run import heard, reviewed_run

PAIRS = (
    [("sad", "sad")] * 6
    + [("happy", "happy")] * 3
    + [("sad", "happy")] * 2
    + [("bad_audio", "bad_audio"), ("sad", "unsure")]
)


def test_agreement_is_over_all_that_both_answered(tmp_path: Path) -> None:
    clips = [heard(f"u{n:02d}", a, b) for n, (a, b) in enumerate(PAIRS)]
    gold = heard("gold", "sad", "angry", arm="gold", gold_emotion="sad")
    run = reviewed_run(tmp_path, [*clips, gold, heard("half", "sad")])
    curate_run(run)
    release = release_verified(run, tmp_path / "out", Wanted("emo"))
    assert release["clips"] == 9, "within the release everybody agrees"
    found = {(row["part"], row["measure"]): row for row in release["agreement"]}
    whole = found["all clips", "Cohen's κ"]
    assert whole["n"] == len(PAIRS)
    assert whole["value"] == pytest.approx(cohen_kappa_score(*zip(*PAIRS, strict=True)), abs=1e-12)
    assert whole["low"] <= whole["value"] <= whole["high"]
    assert found["all clips", "raw agreement"]["value"] == pytest.approx(10 / 13)
    assert found["clips that a model chose", "Krippendorff's α"]["n"] == len(PAIRS)
    assert found["happy against the rest", "Krippendorff's α"]["value"] < 1
    assert found["en", "Krippendorff's α"]["n"] == len(PAIRS)
    assert not [part for part, _ in found if "control" in part or "angry" in part], (
        "of what was never given there is none"
    )
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert (
        f"| all clips | Cohen's κ | 13 | 13 | {whole['value']:.3f} | {whole['low']:.3f} to {whole['high']:.3f} |"
        in card
    )


def test_the_card_shows_what_the_release_holds(tmp_path: Path) -> None:
    clips = [heard("a", "sad", "sad"), heard("b", "happy", "happy", language="zh", arm="control"), heard("c", "sad")]
    run = reviewed_run(tmp_path, clips)
    curate_run(run)
    release = release_verified(run, tmp_path / "out", Wanted("emo", per_class=1))
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    front = yaml.safe_load(card.split("---\n")[1])
    assert (front["pretty_name"], front["license"], front["language"]) == ("emo", "cc-by-4.0", ["en", "zh"])
    assert "| en | 0 | 0 | 0 | 0 | 0 | 1 | 0 | 1 |" in card and "| zh | 0 | 0 | 0 | 1 | 0 | 0 | 0 | 1 |" in card
    assert (
        "Short of the 1 clips asked for in en: angry 1, disgusted 1, fearful 1, happy 1, neutral 1, surprised 1" in card
    )
    assert "| pending | not answered by all yet | 1 | 0 |" in card
    assert "1 were chosen by chance" in card and "The machine's label was hidden from the experts." in card
    assert (release["duration_s"]["total"], release["sources"], release["machine_shown"]) == (0.4, 2, 0)


def test_clips_whose_machine_label_was_shown_are_counted(tmp_path: Path) -> None:
    run = reviewed_run(tmp_path, [heard(name, "sad", "sad") for name in ("a", "b", "c")])
    review = ReviewFolder(run)
    rows = review.tasks(["B"]).to_pylist()
    rows[1]["show_machine"] = True
    run.store.delete("review/tasks/B-000000.parquet")
    review.append_tasks("B", pa.Table.from_pylist(rows, schema=TASKS))
    curate_run(run)
    assert release_verified(run, tmp_path / "out", Wanted("emo"))["machine_shown"] == 1
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "Of 1 of the clips (33%) at least one expert saw the machine's label" in card
