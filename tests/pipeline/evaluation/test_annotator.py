"""An annotator on labelled speech: the same votes as in a labelling job, and no clip lost."""

import json
from pathlib import Path

import pytest

from annotators.base import Clip
from annotators.seed import Seed
from manifests.errors import ConfigError, InputError
from model.speech import load_waveform, read_speech
from pipeline.evaluation import evaluate_annotator
from tests.pipeline.evaluation.labelled_speech import labelled_speech, tone


def test_votes_are_those_of_a_labelling_job(shared_data: Path) -> None:
    tar, truth = shared_data / "ravdess" / "EN-B000002.tar", shared_data / "ravdess" / "truth.jsonl"
    steps: list[tuple[int, int | None]] = []
    found = evaluate_annotator("seed", [str(tar)], truth, progress=lambda done, total: steps.append((done, total)))
    clips = read_speech([str(tar)], truth).labelled
    seed = Seed()
    seed.load()
    heard = seed.run([Clip(clip.id, load_waveform(clip), None, None) for clip in clips])
    right = [answer.fields["votes"][0]["emotion"] == clip.emotion for answer, clip in zip(heard, clips, strict=True)]  # type: ignore[union-attr]
    assert found.scores.clips == len(clips) == 208 and found.scores.wa.value == pytest.approx(sum(right) / 208)
    assert found.scores.drawn == {"speakers": 4} and list(found.languages) == ["en"]
    assert found.other_classes == {"calm": 32} and found.not_scored == {"in the truth, not in the input": 1200}
    assert found.unanswered == {} and "trained on RAVDESS" in found.notes[-1]
    assert steps == [(done, 208) for done in range(1, 209)]


def test_a_clip_that_fails_is_wrong_and_told_apart(tmp_path: Path) -> None:
    table = labelled_speech(tmp_path)
    (tmp_path / "broken.wav").write_bytes(b"RIFF no audio at all")
    (tmp_path / "other.wav").write_bytes(tone(150, 0, 0))
    more = [
        {"id": "broken", "wav": "broken.wav", "emotion": "sad", "speaker": "s9"},
        {"id": "gone", "wav": "gone.wav", "emotion": "sad", "speaker": "s9"},
        {"id": "other", "wav": "other.wav", "emotion": "bored of it"},
        {"id": "unlabelled", "wav": "other.wav"},
    ]
    more[2]["emotion"] = "calm"
    table.write_text(table.read_text() + "".join(json.dumps(row) + "\n" for row in more))
    found = evaluate_annotator("seed", [str(table)])
    assert found.subject == "seed 1" and found.scores.clips == 37
    assert found.unanswered == {"undecodable_audio": 1} and found.scores.outside == {"none": 1}
    assert found.notes[0].startswith("broken: ") and "broken.wav" in found.notes[0]
    assert found.scores.confusion["sad"]["none"] == 1 and found.scores.classes["sad"].n == 13
    assert found.not_scored == {"without a known emotion": 1, "missing_audio": 1} and found.other_classes == {"calm": 1}
    assert found.scores.drawn == {"speakers": 5} and list(found.languages) == ["en", "zh", "unknown"]


def test_what_cannot_be_scored_is_said(tmp_path: Path) -> None:
    table = [str(labelled_speech(tmp_path))]
    with pytest.raises(ConfigError, match=r"There is no annotator 'sedd'; installed are: .*seed"):
        evaluate_annotator("sedd", table)
    with pytest.raises(ConfigError, match="'quality' does not vote"):
        evaluate_annotator("quality", table)
    with pytest.raises(ConfigError, match=r"'rationale' needs .*emotrove evaluate run RUN TRUTH --voter rationale"):
        evaluate_annotator("rationale", table)
    with pytest.raises(ConfigError, match=r"annotators\.seed\.weight: unknown key"):
        evaluate_annotator("seed", table, options={"weight": "x"})
    with pytest.raises(ConfigError, match=r"holds no model\.safetensors"):
        evaluate_annotator("seed", table, options={"weights": str(tmp_path)})
    with pytest.raises(InputError, match="has a known emotion. Give the emotions with --truth"):
        evaluate_annotator("seed", [str(tmp_path / "s0c0.wav")])
