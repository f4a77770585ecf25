import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from manifests.emotions import CLASSES
from manifests.errors import InputError
from model.emotion2vec_s.pretraining.losses import UNLABELLED
from model.emotion2vec_s.training.training_set import make_training_set
from model.speech import read_speech
from tests.model.emotion2vec_s.training.buzzes import config, training_set, write_buzzes


def rewritten(path: Path, **changed: object) -> Path:
    """The list with its first line changed."""
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([json.dumps({**json.loads(first), **changed}), *rest]) + "\n")
    return path


def test_labels_lengths_and_counts(tmp_path: Path) -> None:
    chosen = config()
    data = training_set(tmp_path, chosen, labelled=9, unlabelled=5)
    assert data.classes == {**dict.fromkeys(map(str, CLASSES), 0), "angry": 3, "disgusted": 3, "fearful": 3}
    assert (data.labels == UNLABELLED).sum() == 5
    lengths = [soundfile.info(tmp_path / f"{clip.id}.wav").frames for clip in data.clips]
    assert data.full_samples == pytest.approx(lengths, abs=1)
    assert data.samples.max() == 1.2 * 16_000
    assert data.hours == pytest.approx(sum(lengths) / 16_000 / 3600, rel=1e-3)


def test_a_crop_is_what_was_asked_for(tmp_path: Path) -> None:
    data = training_set(tmp_path, config())
    clip = int(data.full_samples.argmax())
    whole, _ = soundfile.read(tmp_path / f"{data.clips[clip].id}.wav", dtype="float32")
    assert data.load(clip, 1000) == pytest.approx(whole[1000 : 1000 + data.samples[clip]], abs=1e-4)


def test_short_clips_and_other_emotions(tmp_path: Path) -> None:
    path = rewritten(write_buzzes(tmp_path), emotion="calm")
    soundfile.write(tmp_path / "short.wav", np.zeros(1600, np.float32), 16_000)
    with path.open("a") as file:
        file.write('{"id": "short", "wav": "short.wav"}\n')
    data = make_training_set(read_speech([str(path)]), [str(path)], config())
    assert data.left_out == {"too_short": 1}
    assert data.labels[[clip.id for clip in data.clips].index("buzz-0")] == UNLABELLED


def test_no_labelled_clip(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"None of 12 clips has an emotion\. .*--truth"):
        training_set(tmp_path, config(), labelled=0)
    without = config(pretraining={"category_weight": 0.0})
    assert len(training_set(tmp_path, without, labelled=0).clips) == 12


def test_only_short_clips(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No clip is 1\.6 s or longer"):
        training_set(tmp_path, config(data={"min_duration_s": 1.6, "max_duration_s": 2.0}))


def test_a_clip_far_shorter_than_stated_is_named(tmp_path: Path) -> None:
    path = rewritten(write_buzzes(tmp_path), duration=20.0)
    data = make_training_set(read_speech([str(path)]), [str(path)], config(data={"max_duration_s": 10.0}))
    with pytest.raises(InputError, match=r"buzz-0 has .* the input says 20\.00 s"):
        data.load(0, 0)


def test_the_fingerprint_follows_clips_lengths_and_labels(tmp_path: Path) -> None:
    path = write_buzzes(tmp_path)

    def fingerprint() -> str:
        return make_training_set(read_speech([str(path)]), [str(path)], config()).fingerprint()

    first = fingerprint()
    assert fingerprint() == first
    rewritten(path, emotion="sad")
    relabelled = fingerprint()
    assert relabelled != first
    rewritten(path, duration=1.1)
    assert fingerprint() not in (first, relabelled)
