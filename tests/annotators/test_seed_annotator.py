"""The seed voter as an annotator: the shipped weights give one vote for each clip."""

import numpy as np
import pytest

from annotators.base import Annotation, Annotator, Clip, Failure
from annotators.seed import Seed
from manifests.emotions import CLASSES

RATE_HZ = 16_000


def buzz(duration_s: float, pitch_hz: float, seed: int = 0) -> np.ndarray:
    """A voice-like sound: harmonics with a swing of pitch and level, over a little noise."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(duration_s * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * pitch_hz * (time_s + 0.01 * np.sin(2 * np.pi * 3 * time_s))
    wave = sum(np.sin(k * phase) / k for k in range(1, 12))
    swing = 0.05 * (1.1 + np.sin(2 * np.pi * 4 * time_s + seed))
    return (swing * wave + 0.001 * rng.standard_normal(len(time_s))).astype(np.float32)


CLIPS = [
    Clip(f"c{i}", buzz(seconds, pitch_hz, i), "en", None)
    for i, (seconds, pitch_hz) in enumerate([(0.5, 200), (4.0, 110), (2.345, 300), (1.0, 90), (3.2, 240)])
]


@pytest.fixture(scope="module")
def seed() -> Seed:
    annotator = Seed()
    annotator.load()
    return annotator


def probabilities(annotator: Annotator, clips: list[Clip]) -> np.ndarray:
    """(clips, 7) scores of the votes."""
    rows = []
    for answer in annotator.run(clips):
        assert isinstance(answer, Annotation), answer
        (found,) = answer.fields["votes"]
        rows.append([score["score"] for score in found["scores"]])
    return np.array(rows)


def test_one_vote_for_each_clip(seed: Seed) -> None:
    for answer in seed.run(CLIPS):
        assert isinstance(answer, Annotation) and answer.rejection is None
        (found,) = answer.fields["votes"]
        assert (found["voter"], found["modality"], found["version"]) == ("seed", "acoustic", seed.version)
        assert [score["emotion"] for score in found["scores"]] == [str(emotion) for emotion in CLASSES]
        best = max(found["scores"], key=lambda score: score["score"])
        assert (found["emotion"], found["confidence"]) == (best["emotion"], best["score"])


def test_scores_are_probabilities_and_differ_between_voices(seed: Seed) -> None:
    scores = probabilities(seed, CLIPS)
    assert (scores >= 0).all()
    np.testing.assert_allclose(scores.sum(axis=1), 1.0, atol=1e-5)
    assert np.abs(scores - scores[0]).max() > 0.01


def test_the_neighbours_in_a_batch_do_not_matter(seed: Seed) -> None:
    order = [4, 2, 0, 3, 1]
    alone = np.concatenate([probabilities(seed, [clip]) for clip in CLIPS])
    np.testing.assert_allclose(probabilities(seed, [CLIPS[i] for i in order]), alone[order], atol=1e-5)


def test_a_clip_that_is_no_sound_fails_alone(seed: Seed) -> None:
    broken = Clip("nan", np.full(RATE_HZ, np.nan, np.float32), "en", None)
    answers = seed.run([CLIPS[0], broken, CLIPS[3]])
    assert [isinstance(answer, Failure) for answer in answers] == [False, True, False]
    np.testing.assert_allclose(
        [score["score"] for score in answers[0].fields["votes"][0]["scores"]],  # type: ignore[union-attr]
        probabilities(seed, [CLIPS[0]])[0],
        atol=1e-5,
    )
