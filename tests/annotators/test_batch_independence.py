"""What an annotator says of a clip does not depend on the clips beside it."""

from typing import Any

import numpy as np
import pytest

from annotators.base import Annotation, Annotator, Clip
from annotators.emotion2vec_plus import Emotion2VecPlus
from annotators.emotion2vec_s import Emotion2VecS
from annotators.quality import Quality
from annotators.rationale import Rationale
from annotators.seed import Seed
from annotators.style import Style, measure, reference_from
from tests.annotators.small_emotion2vec import saved_network
from tests.model.emotion2vec_s.released.released_files import PLUS_LABELS

RATE_HZ = 16_000
EMOTIONS = ("angry", "happy", "sad")


def sound(i: int) -> np.ndarray:
    """A voice-like sound of its own length, pitch and level, between pauses of its own."""
    rng = np.random.default_rng(i)
    time_s = np.arange(round(rng.uniform(0.6, 2.5) * RATE_HZ)) / RATE_HZ
    phase = 2 * np.pi * rng.uniform(90, 320) * (time_s + 0.01 * np.sin(2 * np.pi * 3 * time_s))
    wave = sum(np.sin(k * phase) / k for k in range(1, 10)) * (1.1 + np.sin(2 * np.pi * 4 * time_s))
    pauses = [np.zeros(int(rng.uniform(0, 0.5) * RATE_HZ)) for _ in range(2)]
    samples = np.concatenate([pauses[0], wave * rng.uniform(0.005, 0.4), pauses[1]])
    return np.clip(samples + 0.0005 * rng.standard_normal(len(samples)), -1, 0.9999).astype(np.float32)


def clips() -> list[Clip]:
    """Twelve clips of two languages, one of them silent and one very short."""
    sounds = [sound(i) for i in range(10)] + [np.zeros(RATE_HZ, np.float32), sound(10)[:800]]
    found = []
    for i, samples in enumerate(sounds):
        language, text = ("zh", f"我知道了{i}") if i % 3 == 0 else ("en", f"I knew it {i} times")
        vote = {"voter": "v", "emotion": EMOTIONS[i % 3], "confidence": 0.5 + i / 30, "scores": []}
        style = {
            f"{name}_level": ("low", "high", None)[(i + j) % 3] for j, name in enumerate(("pitch", "rate", "loudness"))
        }
        fields = {"votes": [vote], "style": style, "quality": {"dnsmos": 2.5 + i / 10}}
        found.append(Clip(f"c{i}", samples, language, text, fields=fields))
    return found


CLIPS = clips()


def prepared(annotator: Annotator) -> Annotator:
    annotator.load()
    if annotator.needs_reference:
        annotator.set_reference(reference_from([(clip.language, measure(clip)) for clip in CLIPS], 3))
    return annotator


KINDS = [Quality, Style, Seed, Emotion2VecS, Emotion2VecPlus, Rationale]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.name)
def annotator(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Annotator:
    kind, options = request.param, {}
    if kind is Quality:
        options = {"min_dnsmos": 3.0, "min_loudness_lufs": -40}
    if kind in (Emotion2VecS, Emotion2VecPlus):
        folder = tmp_path_factory.mktemp("weights") / "small"
        saved = saved_network(folder, PLUS_LABELS, normalize=kind is Emotion2VecPlus)
        options = {"weights": str(saved), "features": "mean" if kind is Emotion2VecPlus else "tokens", "device": "cpu"}
    return prepared(kind(options))


@pytest.fixture(scope="module")
def alone(annotator: Annotator) -> dict[str, Annotation]:
    """The answer for each clip that came without any other."""
    return {clip.utterance_id: answer for clip in CLIPS for answer in annotations(annotator, [clip])}


def annotations(annotator: Annotator, chosen: list[Clip]) -> list[Annotation]:
    answers = []
    for answer in annotator.run(chosen):
        assert isinstance(answer, Annotation), answer
        answers.append(answer)
    return answers


def assert_equal(left: Any, right: Any, tolerance: float) -> None:
    """Equal in form, text and numbers; numbers within the tolerance."""
    if isinstance(left, dict):
        assert left.keys() == right.keys()
        for key in left:
            assert_equal(left[key], right[key], tolerance)
    elif isinstance(left, list):
        assert len(left) == len(right)
        for one, other in zip(left, right, strict=True):
            assert_equal(one, other, tolerance)
    elif isinstance(left, bytes):
        # Features in half precision: what lies between two of its numbers may fall to either.
        halves = (np.frombuffer(side, "<f2").astype(np.float32) for side in (left, right))
        np.testing.assert_allclose(*halves, rtol=2**-10, atol=tolerance)
    elif isinstance(left, float) and right is not None:
        assert abs(left - right) <= tolerance
    else:
        assert left == right


def test_the_clips_differ(alone: dict[str, Annotation]) -> None:
    """Guards the tests below: answers that are all the same could be mixed up unseen."""
    assert len({str(answer) for answer in alone.values()}) > len(CLIPS) // 2


@pytest.mark.parametrize(("seed", "batch"), [(0, len(CLIPS)), (1, 5)])
def test_alone_or_among_others(annotator: Annotator, alone: dict[str, Annotation], seed: int, batch: int) -> None:
    shuffled = [CLIPS[i] for i in np.random.default_rng(seed).permutation(len(CLIPS))]
    answers = [
        a for start in range(0, len(CLIPS), batch) for a in annotations(annotator, shuffled[start : start + batch])
    ]
    tolerance = 1e-5 if isinstance(annotator, (Seed, Emotion2VecS)) else 0.0
    for clip, answer in zip(shuffled, answers, strict=True):
        assert answer.rejection == alone[clip.utterance_id].rejection
        assert_equal(answer.fields, alone[clip.utterance_id].fields, tolerance)
