"""A probe over folds, as EmoBox does it: train the head on the other folds, test on the fold.

Source: EmoBox (arXiv 2406.07162): frozen features, a small head, the folds of each corpus.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from manifests.emotions import CLASSES
from manifests.errors import InputError
from manifests.scoring import table_of, unweighted_accuracy
from model.probe.folds import speaker_folds
from model.probe.heads import Head, fit_head
from model.speech.clip import Progress

_NAMES = [str(emotion) for emotion in CLASSES]


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What the probe found. Every clip was predicted once, by a head that was not trained on its fold."""

    uar: float  # mean over the folds of each fold's UA: the figure that EmoBox reports
    uar_by_fold: dict[int, float]
    predicted: tuple[str, ...]  # in the order of the clips
    chosen: dict[int, float]  # by fold: the strength of ``linear``, the epochs of ``mlp``
    notes: tuple[str, ...]  # where the folds are from, and what to beware of


def probe(
    features: np.ndarray,
    labels: Sequence[str],
    groups: Sequence[str],
    folds: Sequence[int] | None = None,
    head: Head = "linear",
    seed: int = 0,
    progress: Progress = lambda done, total: None,
) -> ProbeResult:
    """Train a head on frozen features and test it on speakers that it has not heard.

    Features are standardised by mean and deviation of the training part. How hard to fit is chosen on a fifth of the training
    speakers, then all of the training part is fitted.

    Parameters
    ----------
    features : (n, D) float32
    labels : (n,) emotions of the seven
    groups : (n,) speakers
    folds : (n,) the fold in which each clip is tested; None draws 5 with no speaker in two of them
    head : ``linear`` is a logistic regression, ``mlp`` has one hidden layer of 256
    progress : called with folds done and folds in all

    Raises
    ------
    InputError : fewer than two folds or speakers, a fold that leaves fewer than two classes to train on, or features that are
        not finite
    """
    notes = []
    true = np.array([_NAMES.index(label) for label in labels], dtype=np.int64)
    if not np.isfinite(features).all():
        raise InputError("Some features are not finite. Extract them in float32, and check the weights of the network")
    if folds is None:
        fold = speaker_folds(labels, groups, seed=seed)
        notes.append(f"{fold.max()} folds that share no speaker, drawn with seed {seed}")
    else:
        fold = np.array(folds, dtype=np.int64)
        notes.append(f"{len(set(folds))} folds as given")
        shared = sum(n > 1 for n in Counter(group for group, _ in {*zip(groups, folds, strict=True)}).values())
        if shared:
            notes.append(f"{shared} speakers are in several of the folds: the figures flatter the features")
    numbers = [int(number) for number in np.unique(fold)]
    if len(numbers) < 2:
        raise InputError("A probe needs at least two folds: give 'fold' in the truth, or leave it out of every line")
    predicted = np.zeros(len(true), np.int64)
    chosen: dict[int, float] = {}
    for done, number in enumerate(numbers, 1):
        tested = fold == number
        predicted[tested], chosen[number] = _predict(features, labels, groups, tested, head, seed)
        progress(done, len(numbers))
    tables = {n: table_of(true[fold == n], predicted[fold == n], len(_NAMES)) for n in numbers}
    by_fold = {n: float(unweighted_accuracy(table)) for n, table in tables.items()}
    return ProbeResult(
        uar=float(np.mean(list(by_fold.values()))),
        uar_by_fold=by_fold,
        predicted=tuple(_NAMES[given] for given in predicted.tolist()),
        chosen=chosen,
        notes=tuple(notes),
    )


def _predict(
    features: np.ndarray, labels: Sequence[str], groups: Sequence[str], tested: np.ndarray, head: Head, seed: int
) -> tuple[np.ndarray, float]:
    """Classes of the clips of one fold, and what the head chose."""
    train = np.flatnonzero(~tested)
    known = [labels[i] for i in train]
    if len(set(known)) < 2:
        raise InputError("Without one of the folds the clips have one emotion only, and no head can be trained")
    mean, deviation = features[train].mean(0), features[train].std(0)
    scaled = ((features - mean) / np.where(deviation > 0, deviation, 1)).astype(np.float32)
    held_out = _some_speakers(known, [groups[i] for i in train], seed)
    true = np.array([_NAMES.index(label) for label in known], dtype=np.int64)
    predict, chosen = fit_head(head, scaled[train], true, held_out, len(_NAMES), seed)
    return predict(scaled[tested]), chosen


def _some_speakers(labels: Sequence[str], speakers: Sequence[str], seed: int) -> np.ndarray:
    """(n,) true for about a fifth of the speakers; for none where the others would not have every class."""
    held_out = np.zeros(len(labels), bool)
    if len(set(speakers)) > 1:
        chosen = speaker_folds(labels, speakers, seed=seed) == 1
        rest = {label for label, out in zip(labels, chosen, strict=True) if not out}
        held_out = chosen & (rest == set(labels))
    return held_out
