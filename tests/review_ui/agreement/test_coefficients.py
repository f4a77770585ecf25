"""Coefficients against the libraries of others and against published examples."""

import csv
from collections.abc import Callable
from pathlib import Path

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import cohen_kappa_score

from review_ui.agreement.coefficients import (
    Counts,
    Values,
    cohen_kappa,
    gwet_ac1,
    krippendorff_alpha,
    one_against_rest,
    raw_agreement,
)
from review_ui.agreement.many_raters import Ballots

EXACT = 1e-12

ABSTRACTORS = np.array([[13, 0, 0], [0, 20, 7], [0, 4, 56]])
"""Two abstractors and 100 pregnant women: Gwet (2014), Handbook of Inter-Rater Reliability, and its package irrCAC."""

SIX_PSYCHIATRISTS = np.array(
    [
        *([0, 0, 0, 6, 0], [0, 3, 0, 0, 3], [0, 1, 4, 0, 1], [0, 0, 0, 0, 6], [0, 3, 0, 3, 0]),
        *([2, 0, 4, 0, 0], [0, 0, 4, 0, 2], [2, 0, 3, 1, 0], [2, 0, 0, 4, 0], [0, 0, 0, 0, 6]),
        *([1, 0, 0, 5, 0], [1, 1, 0, 4, 0], [0, 3, 3, 0, 0], [1, 0, 0, 5, 0], [0, 2, 0, 3, 1]),
    ]
)
"""Six raters and fifteen patients in five categories: the same."""

FOUR_RATERS = ("11-1", "2232", "3333", "3333", "2222", "1234", "4444", "1121", "2222", "-555", "--11", "--3-")
"""Four raters and twelve units with answers missing: Krippendorff (2011), section C; values of AC1 from irrCAC."""

tables = st.integers(2, 5).flatmap(lambda k: arrays(np.int64, (k, k), elements=st.integers(0, 30)))


def answers(table: Counts) -> tuple[list[int], list[int]]:
    """What the two raters gave, clip by clip."""
    rows, columns = np.nonzero(table)
    times = table[rows, columns]
    return np.repeat(rows, times).tolist(), np.repeat(columns, times).tolist()


def ballots(letters: tuple[str, ...]) -> Counts:
    return np.array([[unit.count(str(k)) for k in range(1, 6)] for unit in letters])


def once(coefficient: Callable[[Counts], Values], counts: Counts) -> float:
    """The coefficient of the data themselves."""
    return float(coefficient(np.ones(len(counts), dtype=np.int64)))


def test_two_raters_published() -> None:
    assert float(raw_agreement(ABSTRACTORS)) == pytest.approx(0.89, abs=EXACT)
    assert round(float(cohen_kappa(ABSTRACTORS)), 7) == 0.7964094
    assert round(float(krippendorff_alpha(ABSTRACTORS)), 7) == 0.7972585
    assert round(float(gwet_ac1(ABSTRACTORS)), 7) == 0.8493305


def test_many_raters_published() -> None:
    six = Ballots(SIX_PSYCHIATRISTS)
    assert round(once(six.raw_agreement, SIX_PSYCHIATRISTS), 7) == 0.5511111
    assert round(once(six.gwet_ac1, SIX_PSYCHIATRISTS), 7) == 0.4448007
    assert round(once(six.krippendorff_alpha, SIX_PSYCHIATRISTS), 7) == 0.4204384


def test_answers_missing_published() -> None:
    counts = ballots(FOUR_RATERS)
    four = Ballots(counts)
    assert round(once(four.raw_agreement, counts), 7) == 0.8181818
    assert round(once(four.gwet_ac1, counts), 5) == 0.77544
    assert round(once(four.krippendorff_alpha, counts), 5) == 0.74342


@given(tables)
def test_kappa_is_that_of_scikit_learn(table: Counts) -> None:
    first, second = answers(table)
    ours = float(cohen_kappa(table))
    if not first or len({*first, *second}) == 1:
        assert np.isnan(ours)
    else:
        assert ours == pytest.approx(cohen_kappa_score(first, second), abs=EXACT)


@given(tables)
def test_alpha_is_that_of_krippendorff(table: Counts) -> None:
    first, second = answers(table)
    ours = float(krippendorff_alpha(table))
    if len({*first, *second}) < 2:
        assert np.isnan(ours)
    else:
        theirs = krippendorff.alpha(reliability_data=[first, second], level_of_measurement="nominal")
        assert ours == pytest.approx(theirs, abs=EXACT)


@given(tables)
def test_ac1_is_that_of_its_definition(table: Counts) -> None:
    """Gwet 2008 in probabilities, clip by clip."""
    first, second = answers(table)
    ours = float(gwet_ac1(table))
    if not first:
        assert np.isnan(ours)
        return
    k = len(table)
    agreed = sum(a == b for a, b in zip(first, second, strict=True)) / len(first)
    shares = [(first.count(c) + second.count(c)) / (2 * len(first)) for c in range(k)]
    by_chance = sum(p * (1 - p) for p in shares) / (k - 1)
    assert ours == pytest.approx((agreed - by_chance) / (1 - by_chance), abs=EXACT)


@given(tables)
def test_with_two_raters_both_ways_are_one(table: Counts) -> None:
    first, second = answers(table)
    k = len(table)
    counts = np.array([np.bincount(pair, minlength=k) for pair in zip(first, second, strict=True)], dtype=np.int64)
    many = Ballots(counts.reshape(-1, k))
    for ours, theirs in (
        (raw_agreement, many.raw_agreement),
        (krippendorff_alpha, many.krippendorff_alpha),
        (gwet_ac1, many.gwet_ac1),
    ):
        assert once(theirs, counts) == pytest.approx(float(ours(table)), abs=EXACT, nan_ok=True)


@given(arrays(np.int64, st.tuples(st.integers(1, 12), st.integers(2, 5)), elements=st.integers(0, 4)))
def test_alpha_of_many_raters_is_that_of_krippendorff(counts: Counts) -> None:
    ours = once(Ballots(counts).krippendorff_alpha, counts)
    if (counts[counts.sum(axis=1) > 1].sum(axis=0) > 0).sum() < 2:
        assert np.isnan(ours)
    else:
        theirs = krippendorff.alpha(value_counts=counts, level_of_measurement="nominal")
        assert ours == pytest.approx(theirs, abs=EXACT)


@given(st.lists(arrays(np.int64, (3, 3), elements=st.integers(0, 9)), min_size=1, max_size=4))
def test_many_tables_at_once(several: list[Counts]) -> None:
    for coefficient in (raw_agreement, cohen_kappa, krippendorff_alpha, gwet_ac1):
        together = coefficient(np.stack(several))
        assert np.array_equal(together, [coefficient(table) for table in several], equal_nan=True)


@given(tables)
def test_one_against_rest(table: Counts) -> None:
    first, second = map(np.array, answers(table))
    for k, collapsed in enumerate(one_against_rest(table)):
        assert collapsed.tolist() == [
            [int(np.sum(((first == k) == a) & ((second == k) == b))) for b in (True, False)] for a in (True, False)
        ]


def test_the_largest_tables_stay_exact() -> None:
    few = np.pad(ABSTRACTORS, (0, 8))
    many = few * 1_000_000
    assert many.sum() == 100_000_000
    assert float(cohen_kappa(many)) == pytest.approx(float(cohen_kappa(few)), abs=EXACT)
    assert float(gwet_ac1(many)) == pytest.approx(float(gwet_ac1(few)), abs=EXACT)
    assert np.isnan(cohen_kappa(np.array([[99_999_999, 0], [0, 0]])))
    assert not np.isnan(cohen_kappa(np.array([[99_999_998, 1], [0, 0]])))


def test_real_votes_of_ten_people(shared_data: Path) -> None:
    """Of each of 7,442 clips of CREMA-D, how many of about ten people who heard it chose each of six emotions."""
    with (shared_data / "crema_d" / "tabulatedVotes.csv").open(newline="") as file:
        heard = [row for row in csv.DictReader(file) if row[""].startswith("1")]  # 2: seen, 3: both
    counts = np.array([[int(row[name]) for name in "ADFHNS"] for row in heard], dtype=np.int64)
    assert counts.shape == (7442, 6)
    theirs = krippendorff.alpha(value_counts=counts, level_of_measurement="nominal")
    assert once(Ballots(counts).krippendorff_alpha, counts) == pytest.approx(theirs, abs=EXACT)

    # The same votes as people: in each clip the votes in any order, as two raters at a time.
    chance = np.random.default_rng(0)
    two = [chance.permutation(np.repeat(np.arange(6), row))[:2] for row in counts]
    first, second = np.array([pair for pair in two if len(pair) == 2]).T
    table = np.bincount(first * 6 + second, minlength=36).reshape(6, 6)
    theirs = krippendorff.alpha(reliability_data=[first, second], level_of_measurement="nominal")
    assert float(krippendorff_alpha(table)) == pytest.approx(theirs, abs=EXACT)
    assert float(cohen_kappa(table)) == pytest.approx(cohen_kappa_score(first, second), abs=EXACT)
