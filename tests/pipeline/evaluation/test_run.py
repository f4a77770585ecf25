"""The scores of a run against known emotions, worked out by hand."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from manifests.errors import InputError, RunFolderError
from manifests.run_folder import RunFolder
from pipeline.evaluation import Evaluation, evaluate_run
from tests.pipeline.small_run import Row, a_vote, finished_run

# id, speaker, true emotion, answer of the voter "seed", answer of the voter "text"
ANSWERS = [
    ("a1", "A", "happy", "happy", "sad"),
    ("a2", "A", "happy", "happy", "sad"),
    ("a3", "A", "sad", "happy", "sad"),
    ("b1", "B", "happy", "sad", "other"),
    ("b2", "B", "sad", "sad", "sad"),
    ("b3", "B", "angry", "angry", "angry"),
    ("c1", "C", "happy", "happy", "happy"),
    ("c2", "C", "angry", "neutral", "unknown"),
]


def a_run(folder: Path, voters: Sequence[str] = ("seed",)) -> RunFolder:
    rows: list[Row] = []
    for position, (name, speaker, _, by_seed, by_text) in enumerate(ANSWERS):
        answers = {"seed": by_seed, "text": by_text}
        votes = [a_vote(answers[voter], voter=voter) for voter in voters]
        rows.append({"utterance_id": name, "shard": "S", "position": position, "speaker": speaker, "votes": votes})
    return finished_run(folder / "run", rows, tuple(voters))


def a_truth(folder: Path, rows: Sequence[dict[str, object]] | None = None) -> Path:
    path = folder / "truth.jsonl"
    given = rows if rows is not None else [{"id": name, "emotion": true} for name, _, true, _, _ in ANSWERS]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in given), "utf-8")
    return path


def recalls(found: Evaluation) -> dict[str, float]:
    return {name: one.recall for name, one in found.scores.classes.items()}


def test_scores_by_hand(tmp_path: Path) -> None:
    found = evaluate_run(a_run(tmp_path), a_truth(tmp_path))
    scores = found.scores
    assert (found.subject, scores.clips, scores.drawn) == ("consensus", 8, {"speakers": 3})
    assert recalls(found) == pytest.approx({"angry": 1 / 2, "happy": 3 / 4, "sad": 1 / 2})
    assert scores.ua.value == pytest.approx((1 / 2 + 3 / 4 + 1 / 2) / 3)
    assert scores.wa.value == pytest.approx(5 / 8)
    # F1 = 2 hits / (given + true): angry 2/(1+2), happy 6/(4+4), sad 2/(2+2).
    f1 = {"angry": 2 / 3, "happy": 3 / 4, "sad": 1 / 2}
    assert scores.macro_f1.value == pytest.approx(sum(f1.values()) / 3)
    assert scores.weighted_f1.value == pytest.approx((2 * f1["angry"] + 4 * f1["happy"] + 2 * f1["sad"]) / 8)
    assert {name: one.precision for name, one in scores.classes.items()} == {"angry": 1.0, "happy": 0.75, "sad": 0.5}
    assert scores.confusion == {
        "angry": {"angry": 1, "happy": 0, "sad": 0, "neutral": 1},
        "happy": {"angry": 0, "happy": 3, "sad": 1, "neutral": 0},
        "sad": {"angry": 0, "happy": 1, "sad": 1, "neutral": 0},
    }
    assert (scores.outside, found.unanswered, found.not_scored, found.other_classes) == ({}, {}, {}, {})
    assert found.languages == {"unknown": scores}


def test_one_voter_of_several(tmp_path: Path) -> None:
    run, truth = a_run(tmp_path, ("seed", "text")), a_truth(tmp_path)
    assert evaluate_run(run, truth, "seed").scores.ua.value == pytest.approx((1 / 2 + 3 / 4 + 1 / 2) / 3)
    found = evaluate_run(run, truth, "text")
    assert found.subject == "text"
    assert recalls(found) == pytest.approx({"angry": 1 / 2, "happy": 1 / 4, "sad": 1})
    assert found.scores.outside == {"other": 1, "unknown": 1}, (
        "other and unknown are no answers within the classes, and count as wrong"
    )
    assert found.scores.wa.value == pytest.approx(4 / 8)
    assert found.scores.confusion["angry"]["unknown"] == 1 and found.scores.confusion["happy"]["other"] == 1


def test_a_clip_without_an_answer_counts_as_wrong(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"utterance_id": "a", "shard": "S", "position": 0, "votes": [a_vote("sad")]},
        {"utterance_id": "b", "shard": "S", "position": 1, "votes": []},
        {"utterance_id": "c", "shard": "S", "position": 2, "outcome": "rejected", "votes": [a_vote("sad")]},
    ]
    truth = a_truth(tmp_path, [{"id": name, "emotion": "sad"} for name in "abcd"])
    found = evaluate_run(finished_run(tmp_path / "run", rows), truth)
    assert (found.scores.clips, found.unanswered) == (2, {"no consensus": 1})
    assert found.not_scored == {"in the truth, not labelled by the run": 2}
    assert (found.scores.ua.value, found.scores.wa.value) == (0.5, 0.5)
    assert found.scores.confusion == {"sad": {"sad": 1, "none": 1}}
    assert found.scores.drawn == {"clips": 2}, "where neither speaker nor source is known, each clip is its own"


def test_names_of_other_systems_and_the_key_index(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"index": "a1", "emotion": "Happiness", "wav": "./wav/a1.wav", "text": "…"},
        {"id": "b2", "index": "something else", "emotion": "悲伤"},
        {"index": "b3", "emotion": "<|ANGRY|>"},
    ]
    truth = a_truth(tmp_path, rows)
    truth.write_text(truth.read_text("utf-8").replace("\n", "\n\n", 1), "utf-8")
    found = evaluate_run(a_run(tmp_path), truth)
    assert (found.scores.clips, found.scores.ua.value) == (3, 1.0)
    assert recalls(found) == {"angry": 1.0, "happy": 1.0, "sad": 1.0}


def test_calm_is_left_out_and_said_to_be(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"id": "a1", "emotion": "happy"},
        {"id": "a2", "emotion": "calm"},
        {"id": "a3", "emotion": "calm"},
        {"id": "b1", "emotion": "unknown"},
        {"id": "in another run", "emotion": "calm"},
    ]
    found = evaluate_run(a_run(tmp_path), a_truth(tmp_path, rows))
    assert (found.scores.clips, found.scores.ua.value, found.not_scored) == (1, 1.0, {})
    assert found.other_classes == {"calm": 2, "unknown": 1}


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "a2", "emotion": "blissful"}', "'blissful' is not a known emotion"),
        ('{"id": "a2"}', "no 'emotion'; each line needs id"),
        ('{"emotion": "sad"}', "no 'index'; each line needs id"),
        ("a2 sad", "this is not JSON (Expecting value)"),
        ("[1, 2]", "each line needs id"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, line: str, message: str) -> None:
    truth = tmp_path / "truth.jsonl"
    truth.write_text(f'{{"id": "a1", "emotion": "happy"}}\n\n{line}\n')
    with pytest.raises(InputError) as raised:
        evaluate_run(a_run(tmp_path), truth)
    assert str(raised.value).startswith(f"{truth}, line 3: ") and message in str(raised.value)


def test_a_voter_that_did_not_vote(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="has no vote of 'sensevoice'"):
        evaluate_run(a_run(tmp_path), a_truth(tmp_path), "sensevoice")


def test_a_truth_of_other_clips(tmp_path: Path) -> None:
    truth = a_truth(tmp_path, [{"id": "z", "emotion": "sad"}])
    with pytest.raises(InputError, match=r"No id of .*truth\.jsonl is among the labelled clips of .*run"):
        evaluate_run(a_run(tmp_path), truth)
    with pytest.raises(InputError, match="No id of"):
        evaluate_run(a_run(tmp_path), a_truth(tmp_path, []))


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="not a run folder"):
        evaluate_run(RunFolder(str(tmp_path / "absent")), a_truth(tmp_path))


def test_an_id_that_an_earlier_shard_has_used_does_not_count(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"utterance_id": "a", "shard": "S", "position": 0, "votes": [a_vote("sad")]},
        {"utterance_id": "a", "shard": "T", "position": 0, "votes": [a_vote("angry")]},
    ]
    found = evaluate_run(finished_run(tmp_path / "run", rows), a_truth(tmp_path, [{"id": "a", "emotion": "sad"}]))
    assert (found.scores.clips, found.scores.ua.value) == (1, 1.0)


def speakers_run(folder: Path, right: Sequence[int], clips: int) -> tuple[RunFolder, Path]:
    """Speakers with so many clips each, happy throughout, of which so many are answered rightly."""
    rows: list[Row] = []
    for speaker, hits in enumerate(right):
        for i in range(clips):
            emotion = "happy" if i < hits else "sad"
            name, votes = f"s{speaker}c{i}", [a_vote(emotion)]
            rows.append(
                {"utterance_id": name, "shard": "S", "position": len(rows), "speaker": f"s{speaker}", "votes": votes}
            )
    run = finished_run(folder / "run", rows)
    return run, a_truth(folder, [{"id": row["utterance_id"], "emotion": "happy"} for row in rows])


def test_the_interval_holds_the_score_and_is_always_the_same(tmp_path: Path) -> None:
    run, truth = speakers_run(tmp_path, [3, 5, 6, 8, 9, 10], 10)
    ua = evaluate_run(run, truth).scores.ua
    assert ua.value == pytest.approx(41 / 60) and ua.low is not None and ua.high is not None
    assert 0.3 <= ua.low < ua.value < ua.high <= 1.0
    # The standard error of a mean over 6 speakers: 0.24 / sqrt(6), so 95 % are about 0.2 to either side.
    assert ua.low == pytest.approx(0.49, abs=0.05) and ua.high == pytest.approx(0.86, abs=0.05)
    assert ua.note == "6 speakers are few: the interval is too narrow"
    assert evaluate_run(run, truth).scores.ua == ua


def test_the_interval_is_drawn_over_speakers_not_clips(tmp_path: Path) -> None:
    # All of one speaker right, all of the other wrong: over clips the interval would be narrow, over speakers it is all.
    run, truth = speakers_run(tmp_path, [0, 50], 50)
    scores = evaluate_run(run, truth).scores
    assert (scores.ua.value, scores.ua.low, scores.ua.high) == (0.5, 0.0, 1.0)
    assert scores.drawn == {"speakers": 2}


def test_the_truth_may_name_the_speakers(tmp_path: Path) -> None:
    run, _ = speakers_run(tmp_path, [1, 1], 2)
    rows: list[dict[str, object]] = [
        {"id": f"s{s}c{c}", "emotion": "happy", "actor": s * 2 + c} for s in (0, 1) for c in (0, 1)
    ]
    assert evaluate_run(run, a_truth(tmp_path, rows)).scores.drawn == {"speakers": 4}


def test_without_spread_the_interval_is_a_point(tmp_path: Path) -> None:
    ua = evaluate_run(*speakers_run(tmp_path, [3, 3, 3], 3)).scores.ua
    assert (ua.value, ua.low, ua.high) == (1.0, 1.0, 1.0) and "says nothing" in str(ua.note)


def test_what_the_seed_voter_was_trained_on_is_said(tmp_path: Path) -> None:
    (note,) = evaluate_run(a_run(tmp_path / "a"), a_truth(tmp_path)).notes
    assert "RAVDESS" in note
    assert evaluate_run(a_run(tmp_path / "b", ("text",)), a_truth(tmp_path)).notes == ()
