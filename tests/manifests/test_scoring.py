"""Every figure against scikit-learn, and the intervals against a plain loop."""

import math
import random
import warnings
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score
from sklearn.metrics import precision_recall_fscore_support as per_class

from manifests.emotions import CLASSES
from manifests.scoring import Answer, score, score_languages, table_of, unweighted_accuracy

NAMES = [str(emotion) for emotion in CLASSES]
predictions = st.sampled_from([*NAMES, "other", "unknown", "blissful", None])
clips = st.lists(
    st.tuples(st.sampled_from(NAMES), predictions, st.sampled_from(["en", "zh", None])), min_size=1, max_size=60
)
few_classes = st.lists(st.tuples(st.sampled_from(NAMES[:2]), st.sampled_from(NAMES[1:4]), st.none()), min_size=1)


def answers_of(found: Sequence[tuple[str, str | None, str | None]], speakers: int = 5) -> list[Answer]:
    return [
        Answer(f"c{i}", true, predicted, speaker=f"s{i % speakers}", language=language)
        for i, (true, predicted, language) in enumerate(found)
    ]


def headline(true: Sequence[str], predicted: Sequence[str]) -> dict[str, float]:
    there = [name for name in NAMES if name in true]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # labels that were predicted and are not true; a single class
        return {
            "ua": balanced_accuracy_score(true, predicted),
            "wa": accuracy_score(true, predicted),
            "macro_f1": f1_score(true, predicted, labels=there, average="macro", zero_division=0),
            "weighted_f1": f1_score(true, predicted, labels=there, average="weighted", zero_division=0),
        }


@settings(max_examples=60)
@given(st.one_of(clips, few_classes))
def test_every_figure_is_that_of_scikit_learn(found: list[tuple[str, str | None, str | None]]) -> None:
    answers = answers_of(found)
    true, predicted = [answer.true for answer in answers], [answer.predicted or "none" for answer in answers]
    ours = score(answers, resamples=10)
    for name, value in headline(true, predicted).items():
        assert getattr(ours, name).value == pytest.approx(value, abs=1e-12), name
    there = [name for name in NAMES if name in true]
    theirs = per_class(true, predicted, labels=there, average=None, zero_division=np.nan)
    assert list(ours.classes) == there
    for name, precision, recall, f1, n in zip(there, *theirs, strict=True):
        mine = ours.classes[name]
        assert (mine.n, mine.recall, mine.f1) == pytest.approx((n, recall, f1), abs=1e-12)
        assert (mine.precision is None) == math.isnan(precision)
        assert mine.precision is None or mine.precision == pytest.approx(precision, abs=1e-12)
        assert mine.predicted == sum(answer.predicted == name for answer in answers)
    seen = sorted({*true, *predicted})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        matrix = confusion_matrix(true, predicted, labels=seen)
    cells = {(t, p): n for t, row in ours.confusion.items() for p, n in row.items() if n}
    assert cells == {(seen[i], seen[j]): matrix[i, j] for i, j in zip(*matrix.nonzero(), strict=True)}
    assert sum(ours.outside.values()) == sum(answer.predicted not in NAMES for answer in answers)


@settings(max_examples=30)
@given(clips)
def test_languages_are_scored_apart(found: list[tuple[str, str | None, str | None]]) -> None:
    answers = answers_of(found)
    languages = score_languages(answers, resamples=10)
    assert sum(scores.clips for scores in languages.values()) == len(answers)
    for language, scores in languages.items():
        mine = [answer for answer in answers if (answer.language or "unknown") == language]
        assert scores == score(mine, resamples=10)
    sizes = [scores.clips for scores in languages.values()]
    assert sizes == sorted(sizes, reverse=True)


@settings(max_examples=30)
@given(clips, st.randoms())
def test_order_and_names_do_not_move_an_interval(
    found: list[tuple[str, str | None, str | None]], chance: random.Random
) -> None:
    answers = answers_of(found)
    other = [Answer(a.id, a.true, a.predicted, f"x{a.speaker}", language=a.language) for a in answers]
    chance.shuffle(other)
    assert score(other, resamples=20) == score(answers, resamples=20)
    assert score(answers, resamples=20, seed=1).ua.value == score(answers, resamples=20).ua.value


def plain_intervals(answers: Sequence[Answer], resamples: int) -> dict[str, tuple[float, float]]:
    """Speaker after speaker is drawn, the clips gathered, and scikit-learn asked."""
    chance = random.Random(3)
    by_speaker: dict[str, list[Answer]] = {}
    for answer in answers:
        by_speaker.setdefault(str(answer.speaker), []).append(answer)
    values = []
    for _ in range(resamples):
        speakers = chance.choices(sorted(by_speaker), k=len(by_speaker))
        drawn = [answer for speaker in speakers for answer in by_speaker[speaker]]
        values.append(headline([answer.true for answer in drawn], [str(answer.predicted) for answer in drawn]))
    return {name: tuple(np.quantile([v[name] for v in values], [0.025, 0.975])) for name in values[0]}


def test_intervals_are_those_of_a_plain_loop() -> None:
    chance = random.Random(0)
    answers = []
    for speaker in range(24):
        ease = chance.betavariate(4, 2)
        for i in range(15):
            true = chance.choice(NAMES[:4])
            wrong = chance.choice([*NAMES, "other"])
            answers.append(Answer(f"{speaker}-{i}", true, true if chance.random() < ease else wrong, f"s{speaker}"))
    ours = score(answers, resamples=10_000)
    for name, (low, high) in plain_intervals(answers, 500).items():
        found = getattr(ours, name)
        assert found.low == pytest.approx(low, abs=0.015) and found.high == pytest.approx(high, abs=0.015), name
        assert found.high - found.low > 0.05
    assert ours.drawn == {"speakers": 24} and ours.ua.note is None


def test_what_is_drawn_is_said() -> None:
    both = [Answer("a", "sad", "sad", "s", "t"), Answer("b", "sad", "sad", "s", "t"), Answer("c", "sad", "sad", "u")]
    assert score(both).drawn == {"speakers": 2}
    assert score([Answer("a", "sad", "sad", source_id="t"), Answer("b", "sad", "sad", " ", "t")]).drawn == {
        "sources": 1
    }
    mixed = score([*both, Answer("d", "sad", "happy"), Answer("e", "sad", "sad")])
    assert (
        mixed.drawn == {"speakers": 2, "clips": 2} and mixed.ua.note == "4 groups are few: the interval is too narrow"
    )
    one = score([Answer("a", "sad", "sad", "s"), Answer("b", "sad", "angry", "s")])
    assert (one.ua.value, one.ua.low, one.ua.note) == (0.5, None, "no interval: all clips come from one speaker")


def test_nothing_to_score() -> None:
    empty = score([])
    assert (empty.clips, empty.ua.value, empty.classes, empty.confusion) == (0, None, {}, {})


def test_a_table_of_numbers() -> None:
    table = table_of(np.array([0, 0, 1, 2]), np.array([0, 1, 1, 0]), 3)
    assert table.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 0]]
    assert unweighted_accuracy(table) == pytest.approx((0.5 + 1 + 0) / 3)
