"""Coefficients of agreement for any number of raters, as functions of how many raters chose each category.

A unit (a clip) with fewer than two answers has no pairs. Alpha leaves it out; AC1 lets it speak for how often the categories
are used, as its author does.
"""

import numpy as np

from manifests.bootstrap import Counts, Values, divided


class Ballots:
    """What the coefficients need to know of each unit, so that they can be had for any weighting of the units.

    Parameters
    ----------
    counts : (units, K) int64, how many raters gave each category
    """

    def __init__(self, counts: Counts) -> None:
        answers = counts.sum(axis=-1)
        pairs = answers * (answers - 1)  # ordered
        agreeing = (counts * (counts - 1)).sum(axis=-1)
        self.k = counts.shape[-1]
        self.paired = (answers > 1).astype(np.int64)
        self._answered = (answers > 0).astype(np.int64)
        # A unit without pairs adds nothing to a sum; it is left out of the number of units below.
        self._agreement = np.nan_to_num(divided(agreeing, pairs))  # share of the agreeing pairs; 0 where unpaired
        self._shares = np.nan_to_num(divided(counts, answers[:, None]))
        self._pairable = counts * self.paired[:, None]
        self._disagreeing = np.where(self.paired, divided(pairs - agreeing, answers - 1), 0.0)

    def raw_agreement(self, weights: Counts) -> Values:
        """Share of the pairs of answers that agree, as a mean over units with at least two.

        Parameters
        ----------
        weights : (..., units) int64, how often each unit counts

        Returns
        -------
        (...) float64, NaN where it is not defined; the others below alike
        """
        return divided(_sum(weights, self._agreement), weights @ self.paired)

    def krippendorff_alpha(self, weights: Counts) -> Values:
        """Krippendorff's alpha for nominal data (Krippendorff 2011, section C): 1 - (m - 1) Σ o_ck / Σ m_c m_k over c ≠ k."""
        answers = weights @ self._pairable
        total = answers.sum(axis=-1)
        chance = total * total - (answers * answers).sum(axis=-1)
        return 1 - divided((total - 1) * _sum(weights, self._disagreeing), chance)

    def gwet_ac1(self, weights: Counts) -> Values:
        """Gwet's AC1 (Gwet 2008, for multiple raters): π_k is the mean over units of the share of raters that gave k."""
        shares = divided(_sum(weights, self._shares), (weights @ self._answered)[..., None])
        by_chance = (shares * (1 - shares)).sum(axis=-1) / (self.k - 1)
        return (self.raw_agreement(weights) - by_chance) / (1 - by_chance)


def _sum(weights: Counts, values: Values) -> Values:
    """weights @ values in a fixed order of adding, which BLAS does not promise."""
    return np.asarray(np.einsum("...u,u...->..." if values.ndim == 1 else "...u,uk->...k", weights, values))
