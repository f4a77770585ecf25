"""Scores of predicted emotions against known ones, each with an interval over speakers.

UA (UAR) is the mean recall over the classes that the truth has, WA the accuracy, macro-F1 the mean F1 over the same classes,
weighted F1 their mean by clips. A prediction that is none of the seven classes, or that is missing, counts as wrong. All figures
are functions of the table of counts, so an interval takes one draw of tables.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from manifests.bootstrap import Counts, Figure, Sources, Values, divided, figure
from manifests.emotions import CLASSES

RESAMPLES: Final = 1000
MISSING: Final = "none"
"""Stands in a confusion table for a prediction that is not there."""

_NAMES = tuple(str(emotion) for emotion in CLASSES)
_K = len(_NAMES)


@dataclass(frozen=True, slots=True)
class Answer:
    """What was predicted for one clip.

    ``true`` is one of the seven classes; ``predicted`` may be anything, None where there is no prediction. The interval draws
    speakers; where a clip names none its source, and where it names neither the clip.
    """

    id: str
    true: str
    predicted: str | None
    speaker: str | None = None
    source_id: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class ClassScores:
    """Scores of one class."""

    n: int  # clips of this class
    predicted: int  # clips that were given it
    recall: float
    precision: float | None  # None where no clip was given it
    f1: float


@dataclass(frozen=True, slots=True)
class Scores:
    """Scores of some clips. Only classes that the truth has take part in a mean."""

    clips: int
    drawn: dict[str, int]  # what the intervals draw: speakers, sources or clips, and how many of each
    ua: Figure
    wa: Figure
    macro_f1: Figure
    weighted_f1: Figure
    classes: dict[str, ClassScores]
    confusion: dict[str, dict[str, int]]  # clips by true class and prediction
    outside: dict[str, int]  # predictions that are none of the seven classes, by what they are; all counted wrong


def recalls(tables: Counts) -> Values:
    """Recall of each class.

    Parameters
    ----------
    tables : (..., K, K or K + 1) clips by true class and prediction; the last column may hold what is none of the classes

    Returns
    -------
    (..., K), NaN for a class without clips; so for the F1
    """
    return divided(_hits(tables), tables.sum(axis=-1))


def precisions(tables: Counts) -> Values:
    """Precision of each class, (..., K); NaN for a class that was never predicted."""
    return divided(_hits(tables), _predicted(tables))


def f1s(tables: Counts) -> Values:
    """F1 of each class, (..., K): twice the hits over true and predicted clips; 0 without hits, NaN without clips."""
    n = tables.sum(axis=-1)
    return np.where(n > 0, divided(2 * _hits(tables), n + _predicted(tables)), np.nan)


def unweighted_accuracy(tables: Counts) -> Values:
    """UA (UAR): the mean recall over the classes that have clips; NaN without clips."""
    return _mean(recalls(tables))


def weighted_accuracy(tables: Counts) -> Values:
    """WA: the share of the clips that are right."""
    return divided(_hits(tables).sum(axis=-1), tables.sum(axis=(-2, -1)))


def macro_f1(tables: Counts) -> Values:
    """The mean F1 over the classes that have clips."""
    return _mean(f1s(tables))


def weighted_f1(tables: Counts) -> Values:
    """The mean F1 over the classes, weighted by their clips."""
    n = tables.sum(axis=-1)
    return divided((n * np.nan_to_num(f1s(tables))).sum(axis=-1), n.sum(axis=-1))


def table_of(true: Counts, predicted: Counts, k: int) -> Counts:
    """(k, k) clips by true class and prediction, from (clips,) numbers in [0, k) each."""
    return np.bincount(true * k + predicted, minlength=k * k).reshape(k, k)


def score(answers: Sequence[Answer], *, resamples: int = RESAMPLES, seed: int = 0) -> Scores:
    """Scores with their intervals; neither the order of the answers nor the names of speakers change them."""
    true = np.array([_NAMES.index(answer.true) for answer in answers], dtype=np.int64)
    column = {name: k for k, name in enumerate(_NAMES)}
    predicted = np.array([column.get(answer.predicted or "", _K) for answer in answers], dtype=np.int64)
    groups = [_group(answer) for answer in answers]
    number = {group: i for i, group in enumerate(dict.fromkeys(groups))}
    sources = Sources.of(
        np.array([number[group] for group in groups], dtype=np.int64), true * (_K + 1) + predicted, _K * (_K + 1)
    )
    table = sources.counts().reshape(_K, _K + 1)
    drawn = Counter(kind for kind, _ in number)
    resampled = sources.resampled(resamples, np.random.default_rng(seed)).reshape(-1, _K, _K + 1)
    unit = next(iter(drawn)) if len(drawn) == 1 else "group"
    ua, wa, macro, weighted = (
        figure(float(of(table)), of(resampled), sources.n, "not defined: there is no clip", unit)
        for of in (unweighted_accuracy, weighted_accuracy, macro_f1, weighted_f1)
    )
    outside = Counter(answer.predicted or MISSING for answer in answers if answer.predicted not in column)
    return Scores(
        clips=len(answers),
        drawn={f"{kind}s": drawn[kind] for kind in ("speaker", "source", "clip") if kind in drawn},
        ua=ua,
        wa=wa,
        macro_f1=macro,
        weighted_f1=weighted,
        classes=_class_scores(table),
        confusion=_confusion(answers),
        outside=dict(sorted(outside.items())),
    )


def score_languages(answers: Sequence[Answer], *, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Scores]:
    """Scores of each language, most clips first; clips that name none are under ``unknown``."""
    by_language: dict[str, list[Answer]] = {}
    for answer in answers:
        by_language.setdefault(answer.language or "unknown", []).append(answer)
    order = sorted(by_language, key=lambda language: (-len(by_language[language]), language))
    return {language: score(by_language[language], resamples=resamples, seed=seed) for language in order}


def _group(answer: Answer) -> tuple[str, str]:
    for kind, name in (("speaker", answer.speaker), ("source", answer.source_id)):
        if name is not None and name.strip():
            return kind, name
    return "clip", answer.id


def _class_scores(table: Counts) -> dict[str, ClassScores]:
    n, given = table.sum(axis=-1), _predicted(table)
    recall, precision, f1 = recalls(table), precisions(table), f1s(table)
    return {
        name: ClassScores(
            n=int(n[k]),
            predicted=int(given[k]),
            recall=float(recall[k]),
            precision=float(precision[k]) if given[k] else None,
            f1=float(f1[k]),
        )
        for k, name in enumerate(_NAMES)
        if n[k]
    }


def _confusion(answers: Sequence[Answer]) -> dict[str, dict[str, int]]:
    """Rows: the classes that the truth has. Columns: these, then the other predictions that there are, in alphabetical order."""
    cells = Counter((answer.true, answer.predicted or MISSING) for answer in answers)
    rows = [name for name in _NAMES if any(true == name for true, _ in cells)]
    columns = [*rows, *sorted({given for _, given in cells} - set(rows), key=lambda name: (name not in _NAMES, name))]
    return {true: {given: cells[true, given] for given in columns} for true in rows}


def _hits(tables: Counts) -> Counts:
    return np.diagonal(tables, axis1=-2, axis2=-1)


def _predicted(tables: Counts) -> Counts:
    """(..., K) clips that were given each class."""
    return tables.sum(axis=-2)[..., : tables.shape[-2]]


def _mean(values: Values) -> Values:
    """Mean over the classes that are not NaN; NaN where all are."""
    there = ~np.isnan(values)
    return divided(np.where(there, values, 0).sum(axis=-1), there.sum(axis=-1))
