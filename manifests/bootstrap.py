"""The bootstrap over sources: how far a figure would move with other recordings.

Clips of one recording share speakers, a microphone and a scene, so they are no independent evidence. What is drawn, with
replacement, are therefore whole sources with all their clips.

Sources that hold the same (so many clips of this kind, so many of that) are alike for every figure made of counts. Drawing S
sources is then one multinomial draw of how often each distinct content comes up, which has the same distribution as drawing
them one by one and takes a thousandth of the time.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

Counts = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

CONFIDENCE: Final = 0.95
"""Of every interval."""

FEW_SOURCES = 20
"""Below this many, percentile intervals are noticeably too narrow; the figure says so."""
_UNDEFINED_SHARE = 0.05  # of resamples; above it an interval over the others would be one of a choice of resamples
_COMMON = 8  # sources that hold a content, for it to be drawn by a number of its own
_DRAWS_AT_ONCE = 4_000_000  # numbers in an array: 32 MB


@dataclass(frozen=True, slots=True)
class Figure:
    """One value with its 95 % percentile bootstrap interval."""

    value: float | None
    low: float | None
    high: float | None
    undefined_resamples: int  # resamples in which the value is not defined; the interval leaves them out
    note: str | None  # why the value or the interval is missing, or what to beware of


@dataclass(frozen=True, slots=True)
class Sources:
    """What the sources hold, as counts of items.

    An item is whatever the figures count: a cell of the table of two raters, or a pattern of votes.
    """

    contents: csr_array  # (distinct contents, items) int64
    multiplicity: Counts  # (distinct contents,) how many sources hold each

    @classmethod
    def of(cls, source: npt.NDArray[np.integer], item: npt.NDArray[np.integer], n_items: int) -> "Sources":
        """From one source and one item for each clip, (clips,) both; ``item`` is in [0, n_items)."""
        order = np.lexsort((item, source))
        source, item = source[order], item[order].astype(np.int64)
        starts = np.flatnonzero(np.diff(source, prepend=-1))
        data, width = item.tobytes(), item.itemsize
        bounds = [*(starts * width).tolist(), len(data)]
        held = Counter(data[start:end] for start, end in pairwise(bounds))
        # In the order of the contents, not of the sources: what the sources are called must not move the draws.
        distinct = sorted(held)
        column = np.frombuffer(b"".join(distinct), dtype=np.int64)
        row = np.repeat(np.arange(len(distinct)), [len(content) // width for content in distinct])
        contents = csr_array((np.ones(len(column), dtype=np.int64), (row, column)), shape=(len(distinct), n_items))
        return cls(contents, np.array([held[content] for content in distinct], dtype=np.int64))

    @property
    def n(self) -> int:
        """How many sources there are."""
        return int(self.multiplicity.sum())

    def counts(self) -> Counts:
        """(items,) how often each item is there."""
        return np.asarray(self.contents.T @ self.multiplicity, dtype=np.int64)

    def resampled(self, resamples: int, rng: np.random.Generator) -> Counts:
        """(resamples, items) how often each item is there when as many sources are drawn with replacement."""
        n_items = self.contents.shape[1]
        if not len(self.multiplicity):
            return np.zeros((resamples, n_items), dtype=np.int64)
        rare_sources = int(self.multiplicity[self.multiplicity < _COMMON].sum())
        step = max(1, _DRAWS_AT_ONCE // max(len(self.multiplicity), rare_sources))
        drawn = [
            (self.contents.T @ self._drawn(min(step, resamples - start), rng).T).T
            for start in range(0, resamples, step)
        ]
        return np.concatenate(drawn)

    def _drawn(self, resamples: int, rng: np.random.Generator) -> Counts:
        """(resamples, distinct contents) how often each content comes up."""
        common = self.multiplicity >= _COMMON
        rare = np.flatnonzero(~common)
        rare_sources = int(self.multiplicity[rare].sum())
        sizes = np.append(self.multiplicity[common], rare_sources)
        found = rng.multinomial(self.n, sizes / self.n, size=resamples)
        drawn = np.empty((resamples, len(self.multiplicity)), dtype=np.int64)
        drawn[:, common] = found[:, :-1]
        if rare_sources:
            # Of contents that few sources hold, one draw for each source is faster than one for each content.
            holder = np.repeat(np.arange(len(rare)), self.multiplicity[rare])
            resample = np.repeat(np.arange(resamples), found[:, -1])
            cell = resample * len(rare) + holder[rng.integers(rare_sources, size=len(resample))]
            drawn[:, rare] = np.bincount(cell, minlength=resamples * len(rare)).reshape(resamples, len(rare))
        return drawn


def figure(value: float, resampled: Values, n_sources: int, undefined: str, drawn: str = "source") -> Figure:
    """A value with its percentile interval.

    Parameters
    ----------
    value : of the data; NaN where it is not defined
    resampled : (resamples,) of the resamples; NaN where it is not defined
    undefined : what to say where the value is not defined
    drawn : what a source is called in the notes, in the singular
    """
    defined = resampled[~np.isnan(resampled)]
    missing = len(resampled) - len(defined)
    if np.isnan(value):
        return Figure(None, None, None, missing, undefined)
    if n_sources < 2:
        return Figure(float(value), None, None, missing, f"no interval: all clips come from one {drawn}")
    if missing > _UNDEFINED_SHARE * len(resampled):
        said = f"no interval: not defined in {missing} of {len(resampled)} resamples"
        return Figure(float(value), None, None, missing, said)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(defined, [tail, 1 - tail])
    note: str | None = None
    if low == high:
        note = "no resample differs: the width of the interval says nothing, n does"
    elif n_sources < FEW_SOURCES:
        note = f"{n_sources} {drawn}s are few: the interval is too narrow"
    return Figure(float(value), float(low), float(high), missing, note)


def divided(over: npt.NDArray[np.generic], under: npt.NDArray[np.generic]) -> Values:
    """over / under, NaN where under is 0."""
    over, under = np.asarray(over, dtype=np.float64), np.asarray(under, dtype=np.float64)
    return np.divide(over, under, out=np.full(np.broadcast(over, under).shape, np.nan), where=under != 0)
