"""The bootstrap over sources: what is drawn, and whether the intervals hold what they promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.bootstrap import FEW_SOURCES, Sources, figure
from review_ui.agreement.coefficients import krippendorff_alpha, raw_agreement
from review_ui.agreement.figures import Resampling

clips = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), max_size=40)


def sources_of(found: list[tuple[int, int]]) -> Sources:
    source, item = np.array(found, dtype=np.int64).reshape(-1, 2).T
    return Sources.of(source, item, 4)


@given(clips)
def test_sources_hold_their_clips(found: list[tuple[int, int]]) -> None:
    sources = sources_of(found)
    assert sources.n == len({source for source, _ in found})
    assert sources.counts().tolist() == [sum(item == k for _, item in found) for k in range(4)]


@given(clips, st.randoms())
def test_neither_order_nor_names_of_sources_move_the_draws(found: list[tuple[int, int]], chance: object) -> None:
    names = list(range(7))
    chance.shuffle(names)  # type: ignore[attr-defined]
    again = [(names[source], item) for source, item in found]
    chance.shuffle(again)  # type: ignore[attr-defined]
    drawn = [sources_of(clips).resampled(5, np.random.default_rng(3)).tolist() for clips in (found, again)]
    assert drawn[0] == drawn[1]


def test_a_source_is_drawn_whole() -> None:
    """Source 0 holds three clips of item 0, source 1 two of item 1: no draw may part them."""
    drawn = sources_of([(0, 0)] * 3 + [(1, 1)] * 2).resampled(500, np.random.default_rng(0))
    assert {tuple(row) for row in drawn.tolist()} == {(6, 0, 0, 0), (3, 2, 0, 0), (0, 4, 0, 0)}


def test_draws_are_distributed_as_one_by_one() -> None:
    """Against the plain bootstrap: draw source after source. Some contents are rare, and one is that of twenty sources."""
    chance = np.random.default_rng(1)
    found = [(int(source), int(chance.integers(4))) for source in chance.integers(12, size=60)]
    found += [(source, 2) for source in range(12, 32)]
    assert sorted(sources_of(found).multiplicity)[-1] == 20 > sources_of(found).multiplicity[0]
    ours = sources_of(found).resampled(20_000, np.random.default_rng(2))
    names = sorted({source for source, _ in found})
    held = np.array([[sum(s == name and i == k for s, i in found) for k in range(4)] for name in names])
    plain = held[chance.integers(len(names), size=(20_000, len(names)))].sum(axis=1)
    assert np.allclose(ours.mean(axis=0), plain.mean(axis=0), rtol=0.01)
    assert np.allclose(np.cov(ours.T), np.cov(plain.T), rtol=0.1, atol=0.4)


def test_an_interval_over_sources_covers_what_is_true() -> None:
    """Clips of one source fail together. An interval over sources holds the truth in about 95 % of the studies; one over
    clips, as if they were independent, in far fewer."""
    studies, n_sources, per_source = 400, 60, 8
    chance = np.random.default_rng(5)
    source = np.repeat(np.arange(n_sources), per_source)
    truth = 0.7
    over_sources = over_clips = 0
    for _ in range(studies):
        ease = np.repeat(chance.beta(7, 3, n_sources), per_source)  # mean 0.7
        first = chance.integers(3, size=len(source))
        agreed = chance.random(len(source)) < ease
        second = np.where(agreed, first, (first + chance.integers(1, 3, size=len(source))) % 3)
        for name, group in (("sources", source), ("clips", np.arange(len(source)))):
            raw = Resampling(300, int(chance.integers(2**31))).tables(first, second, group, 3).coefficients().raw
            assert raw.low is not None and raw.high is not None
            covered = raw.low <= truth <= raw.high
            over_sources += covered and name == "sources"
            over_clips += covered and name == "clips"
    assert 0.91 <= over_sources / studies <= 0.98
    assert over_clips / studies < 0.90


def test_the_interval_is_that_of_the_percentiles() -> None:
    values = np.append(np.arange(101) / 100, np.nan)
    found = figure(0.5, values, 50, "")
    assert (found.value, found.undefined_resamples, found.note) == (0.5, 1, None)
    assert (found.low, found.high) == pytest.approx((0.025, 0.975))


def test_no_interval_where_there_is_none() -> None:
    resampled = np.full(100, 0.5)
    assert figure(np.nan, resampled, 50, "why").note == "why"
    assert figure(np.nan, resampled, 50, "why").value is None
    one = figure(0.5, resampled, 1, "")
    assert (one.value, one.low, one.high) == (0.5, None, None) and one.note is not None
    often = figure(0.5, np.append(resampled[:90], [np.nan] * 10), 50, "")
    assert (often.low, often.undefined_resamples) == (None, 10) and "10 of 100" in str(often.note)
    narrow = figure(0.5, np.linspace(0, 1, 100), FEW_SOURCES - 1, "")
    assert narrow.low is not None and "few" in str(narrow.note)
    assert "width" in str(figure(0.5, resampled, 50, "").note)


def test_the_same_clips_have_the_same_interval_and_the_seed_moves_it() -> None:
    chance = np.random.default_rng(0)
    first, second = chance.integers(3, size=(2, 50))

    def drawn(seed: int) -> list[float]:
        return raw_agreement(Resampling(20, seed).tables(first, second, np.arange(50), 3).resampled).tolist()

    assert drawn(0) == drawn(0)
    assert drawn(0) != drawn(1)


@settings(max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 2)), max_size=12))
def test_every_figure_is_a_number_or_says_why_not(found: list[tuple[int, int, int]]) -> None:
    source, first, second = np.array(found, dtype=np.int64).reshape(-1, 3).T
    tables = Resampling(50, 0).tables(first, second, source, 3)
    everything = [tables.coefficients(), *(one.figures for one in tables.classes(("x", "y", "z")))]
    counts = np.stack([np.bincount(pair, minlength=3) for pair in zip(first, second, strict=True)] or [np.zeros(3)])
    everything.append(Resampling(50, 0).many_raters(counts[: len(found)].astype(np.int64), source))
    for coefficients in everything:
        assert coefficients.n == len(found)
        for one in (coefficients.raw, coefficients.kappa, coefficients.alpha, coefficients.ac1):
            numbers = [one.value, one.low, one.high]
            assert not any(number is not None and np.isnan(number) for number in numbers)
            assert (one.low is None) == (one.high is None)
            assert one.note is not None or None not in numbers
    alpha = krippendorff_alpha(tables.data)
    assert (everything[0].alpha.value is None) == bool(np.isnan(alpha))
