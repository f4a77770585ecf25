"""From clips and their sources to coefficients with intervals."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from manifests.bootstrap import Counts, Figure, Sources, Values, figure
from review_ui.agreement.coefficients import (
    cohen_kappa,
    gwet_ac1,
    krippendorff_alpha,
    one_against_rest,
    raw_agreement,
)
from review_ui.agreement.many_raters import Ballots
from review_ui.agreement.report import Coefficients, OneClass

Codes = npt.NDArray[np.integer]

NO_CLIPS = "no clip has both answers"
ONE_CATEGORY = "not defined: every answer is the same"
ONE_CATEGORY_EACH = "not defined: both used the same category only"
NO_VOTES = "no clip has two votes"
TWO_RATERS_ONLY = "not defined: kappa is for two raters"


@dataclass(frozen=True, slots=True)
class Tables:
    """The table of two raters, of the data and of each resample."""

    data: Counts  # (K, K)
    resampled: Counts  # (resamples, K, K)
    n_sources: int

    @property
    def n(self) -> int:
        return int(self.data.sum())

    def coefficients(self) -> Coefficients:
        return _coefficients(self.data, self.resampled, self.n_sources)

    def classes(self, names: tuple[str, ...]) -> tuple[OneClass, ...]:
        """Each category against all others."""
        data, resampled = one_against_rest(self.data), one_against_rest(self.resampled)
        return tuple(
            OneClass(
                name,
                either=self.n - int(data[k, 1, 1]),
                both=int(data[k, 0, 0]),
                figures=_coefficients(data[k], resampled[:, k], self.n_sources),
            )
            for k, name in enumerate(names)
        )


@dataclass(frozen=True, slots=True)
class Resampling:
    """How to draw: the same for every figure of a report.

    Every part of the data starts from the seed anew. So a figure depends on its own clips alone, not on the other parts of the
    report, and the same clips have the same interval wherever they appear.
    """

    resamples: int
    seed: int

    def tables(self, first: Codes, second: Codes, source: Codes, k: int) -> Tables:
        """The tables of a part of the data.

        Parameters
        ----------
        first, second : (clips,) what the two raters gave, in [0, k)
        source : (clips,) the recording, a number from 0
        """
        sources = Sources.of(source, first * k + second, k * k)
        resampled = sources.resampled(self.resamples, np.random.default_rng(self.seed))
        return Tables(sources.counts().reshape(k, k), resampled.reshape(-1, k, k), sources.n)

    def many_raters(self, counts: Counts, source: Codes) -> Coefficients:
        """Agreement of any number of raters.

        Parameters
        ----------
        counts : (clips, K) how many raters gave each category
        source : (clips,) the recording, a number from 0
        """
        patterns, pattern = np.unique(counts, axis=0, return_inverse=True)
        sources = Sources.of(source, pattern.reshape(-1), len(patterns))
        ballots = Ballots(patterns)
        data, resampled = sources.counts(), sources.resampled(self.resamples, np.random.default_rng(self.seed))

        def with_interval(coefficient: Callable[[Counts], Values], undefined: str) -> Figure:
            return figure(float(coefficient(data)), coefficient(resampled), sources.n, undefined)

        n = int(data @ ballots.paired)
        return Coefficients(
            n,
            sources.n,
            with_interval(ballots.raw_agreement, NO_VOTES),
            kappa=figure(np.nan, np.full(self.resamples, np.nan), 0, TWO_RATERS_ONLY),
            alpha=with_interval(ballots.krippendorff_alpha, ONE_CATEGORY if n else NO_VOTES),
            ac1=with_interval(ballots.gwet_ac1, NO_VOTES),
        )


def _coefficients(data: Counts, resampled: Counts, n_sources: int) -> Coefficients:
    def with_interval(coefficient: Callable[[Counts], Values], undefined: str) -> Figure:
        return figure(float(coefficient(data)), coefficient(resampled), n_sources, undefined if n else NO_CLIPS)

    n = int(data.sum())
    return Coefficients(
        n,
        n_sources,
        raw=with_interval(raw_agreement, NO_CLIPS),
        kappa=with_interval(cohen_kappa, ONE_CATEGORY_EACH),
        alpha=with_interval(krippendorff_alpha, ONE_CATEGORY),
        ac1=with_interval(gwet_ac1, NO_CLIPS),
    )
