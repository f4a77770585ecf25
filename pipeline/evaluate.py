"""Scoring the labels of a run against emotions that are known.

UA (UAR) is the mean recall over the classes, WA the accuracy. The interval is a bootstrap over speakers, because clips of one
speaker are not independent.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, recall_score

from manifests.duplicates import present_duplicates
from manifests.emotions import CLASSES
from manifests.errors import InputError
from manifests.run_folder import RunFolder
from manifests.truth import read_truth

RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of one voter, or of the consensus."""

    voter: str
    clips: int
    ua: float
    ua_low: float
    ua_high: float
    wa: float
    macro_f1: float
    weighted_f1: float
    recall: dict[str, float]
    confusion: dict[str, dict[str, int]]
    speakers: int
    unanswered: int  # labelled clips without an answer within the classes; they count as wrong
    not_labeled: int  # in the truth, but not labelled by the run
    other_classes: dict[str, int]  # left out: their emotion is none of the seven
    note: str | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def evaluate(run: RunFolder, truth: Path, voter: str | None = None) -> Evaluation:
    """Compare the run with a JSONL of ``id`` (or ``index``) and ``emotion``.

    Raises
    ------
    InputError : the truth cannot be read, names no clip of the run, or the voter did not vote
    """
    found = read_truth(truth)
    known = found.clips
    answers = _answers(run, voter)
    if voter is not None and answers and all(emotion is None for emotion, _ in answers.values()):
        raise InputError(f"{run} has no vote of '{voter}'")
    ids = sorted(known.keys() & answers.keys())
    if not ids:
        raise InputError(f"No id of {truth} is among the labelled clips of {run}")
    true = [str(known[i].emotion) for i in ids]
    predicted = [answers[i][0] or "none" for i in ids]
    classes = [str(c) for c in CLASSES if str(c) in set(true)]
    groups = [answers[i][1] or i for i in ids]
    low, high = _interval(true, predicted, groups, classes)
    recalls = recall_score(true, predicted, labels=classes, average=None, zero_division=0)
    seen = [*classes, *sorted(set(predicted) - set(classes))]
    matrix = confusion_matrix(true, predicted, labels=seen)
    return Evaluation(
        voter=voter or "consensus",
        clips=len(ids),
        ua=float(np.mean(recalls)),
        ua_low=low,
        ua_high=high,
        wa=float(accuracy_score(true, predicted)),
        macro_f1=float(f1_score(true, predicted, labels=classes, average="macro", zero_division=0)),
        weighted_f1=float(f1_score(true, predicted, labels=classes, average="weighted", zero_division=0)),
        recall={name: float(value) for name, value in zip(classes, recalls, strict=True)},
        confusion={t: {p: int(matrix[i, j]) for j, p in enumerate(seen)} for i, t in enumerate(seen) if t in classes},
        speakers=len(set(groups)),
        unanswered=sum(p not in CLASSES for p in predicted),
        not_labeled=len(known.keys() - answers.keys()),
        other_classes=found.other_classes,
        note=_trained_on(run),
    )


def _answers(run: RunFolder, voter: str | None) -> dict[str, tuple[str | None, str | None]]:
    run.require()
    with duckdb.connect() as db:
        db.register("labels", run.dataset(["labeled"]))
        db.register("duplicates", present_duplicates(run))
        emotion = "consensus.emotion" if voter is None else "list_filter(votes, lambda v: v.voter = $voter)[1].emotion"
        rows = db.execute(
            f"SELECT utterance_id, {emotion}, speaker FROM labels ANTI JOIN duplicates USING (shard, position)",
            {} if voter is None else {"voter": voter},
        ).fetchall()
    return {utterance_id: (answer, speaker) for utterance_id, answer, speaker in rows}


def _interval(true: list[str], predicted: list[str], groups: list[str], classes: list[str]) -> tuple[float, float]:
    """95 % percentile interval of UA over resampled speakers."""
    order = {name: i for i, name in enumerate(sorted(set(groups)))}
    hits = np.zeros((len(order), len(classes)))
    counts = np.zeros_like(hits)
    for t, p, g in zip(true, predicted, groups, strict=True):
        counts[order[g], classes.index(t)] += 1
        hits[order[g], classes.index(t)] += t == p
    rng = np.random.default_rng(0)
    recalls = np.full((RESAMPLES, len(classes)), np.nan)
    for recall in recalls:
        times = np.bincount(rng.integers(0, len(order), len(order)), minlength=len(order))
        totals = times @ counts
        np.divide(times @ hits, totals, out=recall, where=totals > 0)
    low, high = np.nanpercentile(np.nanmean(recalls, axis=1), [2.5, 97.5])
    return float(low), float(high)


def _trained_on(run: RunFolder) -> str | None:
    if "seed" not in run.require()["annotators"]:
        return None
    from annotators.seed import TRAINED_ON

    return TRAINED_ON
