"""What a probe may and may not learn from."""

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from manifests.emotions import CLASSES
from manifests.errors import InputError
from model.probe import probe, speaker_folds
from model.probe.heads import Head

NAMES = [str(emotion) for emotion in CLASSES[:4]]
SPEAKERS, PER_CLASS = 10, 3


def made(noise: float = 0.3, seed: int = 0) -> tuple[np.ndarray, list[str], list[str]]:
    """Clips of ten speakers, three of each of four classes: a direction for each class, one for each speaker, and noise."""
    rng = np.random.default_rng(seed)
    labels = [NAMES[i % 4] for i in range(SPEAKERS * 4 * PER_CLASS)]
    speakers = [f"s{i // (4 * PER_CLASS)}" for i in range(len(labels))]
    directions, voices = rng.standard_normal((4, 12)), 2 * rng.standard_normal((SPEAKERS, 12))
    x = directions[[i % 4 for i in range(len(labels))]] + voices[[int(s[1:]) for s in speakers]] * 0.2
    return (x + noise * rng.standard_normal(x.shape)).astype(np.float32), labels, speakers


def recall(name: str, labels: Sequence[str], predicted: Sequence[str]) -> float:
    return float(np.mean([given == name for true, given in zip(labels, predicted, strict=True) if true == name]))


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_what_is_there_is_found_and_what_is_not_is_not(head: Head) -> None:
    features, labels, speakers = made()
    found = probe(features, labels, speakers, head=head)
    assert found.uar > 0.95 and len(found.predicted) == len(labels)
    assert probe(features, labels, speakers, head=head) == found, "the same twice"
    noise = np.random.default_rng(1).standard_normal(features.shape).astype(np.float32)
    assert 0.1 < probe(noise, labels, speakers, head=head).uar < 0.4


def test_a_voice_known_by_heart_is_of_no_use() -> None:
    """Features that name the clip, and through it the speaker, predict nothing of speakers not heard."""
    _, _, speakers = made()
    names = np.array([[float(s == f"s{k}") for k in range(SPEAKERS)] for s in speakers], np.float32)
    own = [NAMES[int(s[1:]) % 4] for s in speakers]
    by_heart = probe(names, own, speakers, folds=[i % 5 for i in range(len(own))])
    assert by_heart.uar > 0.95 and "10 speakers are in several of the folds" in by_heart.notes[1]
    assert probe(names, own, speakers).uar < 0.6


def test_the_linear_head_is_the_logistic_regression_of_scikit_learn() -> None:
    features, labels, speakers = made(noise=1.5)
    folds = [1 + int(s[1:]) % 3 for s in speakers]
    found = probe(features, labels, speakers, folds)
    assert found.notes == ("3 folds as given",) and set(found.chosen) == {1, 2, 3}
    for fold, strength in found.chosen.items():
        tested = np.array(folds) == fold
        plain = make_pipeline(StandardScaler(), LogisticRegression(C=strength, class_weight="balanced", max_iter=5000))
        expected = plain.fit(features[~tested].astype(float), np.array(labels)[~tested]).predict(features[tested])
        assert (np.array(found.predicted)[tested] == expected).mean() > 0.97  # to rounding
    by_hand = [
        np.mean([recall(n, np.array(labels)[tested], np.array(found.predicted)[tested]) for n in NAMES])
        for tested in (np.array(folds) == f for f in (1, 2, 3))
    ]
    assert list(found.uar_by_fold.values()) == pytest.approx(by_hand) and found.uar == pytest.approx(np.mean(by_hand))


@pytest.mark.parametrize("head", ["linear", "mlp"])
def test_tested_clips_do_not_touch_each_other(head: Head) -> None:
    """Standardised by the training part alone: a wild clip changes nothing for the others of its fold."""
    features, labels, speakers = made(noise=1.0)
    folds = speaker_folds(labels, speakers)
    plain = probe(features, labels, speakers, folds.tolist(), head)
    features[7] = 1e6
    wild = probe(features, labels, speakers, folds.tolist(), head)
    mates = [i for i in range(len(labels)) if folds[i] == folds[7] and i != 7]
    assert [plain.predicted[i] for i in mates] == [wild.predicted[i] for i in mates]


def test_a_hidden_layer_finds_what_no_plane_divides() -> None:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (400, 2)).astype(np.float32)
    labels = ["happy" if a * b > 0 else "sad" for a, b in x]
    speakers = [f"s{i % 20}" for i in range(400)]
    assert probe(x, labels, speakers, head="linear").uar < 0.65
    assert probe(x, labels, speakers, head="mlp").uar > 0.85


def test_folds_share_no_speaker_and_every_clip_is_in_one() -> None:
    _, labels, speakers = made()
    folds = speaker_folds(labels, speakers)
    assert sorted(set(folds.tolist())) == [1, 2, 3, 4, 5]
    assert len({(s, f) for s, f in zip(speakers, folds.tolist(), strict=True)}) == SPEAKERS
    assert speaker_folds(labels, speakers).tolist() == folds.tolist()
    assert speaker_folds(labels, speakers, seed=1).tolist() != folds.tolist()
    few = speaker_folds(["sad", "sad", "happy"], ["a", "b", "a"])
    assert len(set(few.tolist())) == 2 and few[0] == few[2]


def test_a_constant_feature_and_a_rare_class() -> None:
    features, labels, speakers = made()
    features[:, 0] = 5
    labels[0] = "surprised"
    found = probe(features, labels, speakers)
    assert recall("surprised", labels, found.predicted) == 0 and recall("happy", labels, found.predicted) > 0.9


def test_what_cannot_be_probed_is_said() -> None:
    features, labels, speakers = made()
    with pytest.raises(InputError, match="at least two speakers"):
        probe(features, labels, ["one"] * len(labels))
    with pytest.raises(InputError, match="at least two folds"):
        probe(features, labels, speakers, [3] * len(labels))
    with pytest.raises(InputError, match="one emotion only"):
        probe(features, ["sad"] * len(labels), speakers)
    features[3, 2] = np.nan
    with pytest.raises(InputError, match="not finite"):
        probe(features, labels, speakers)
