"""Coefficients of agreement for two raters, as functions of the table of counts.

All take ``tables`` of shape (..., K, K), int64: how many clips the first rater put into the row's category and the second into
the column's. They give (...) float64, NaN where the coefficient is not defined. Whether it is defined is decided on integers,
so no rounding can turn 0/0 into a number; the products below are exact up to a hundred million clips.
"""

import numpy as np

from manifests.bootstrap import Counts, Values, divided


def raw_agreement(tables: Counts) -> Values:
    """Share of the clips to which both gave the same answer; not defined without clips."""
    return divided(_agreed(tables), tables.sum(axis=(-2, -1)))


def cohen_kappa(tables: Counts) -> Values:
    """Cohen's kappa: chance is two raters, each with a distribution of its own.

    κ = (p_o - p_e) / (1 - p_e), p_e = Σ_k r_k c_k / n². Not defined where both used one and the same category only.

    Source: J. Cohen (1960), A coefficient of agreement for nominal scales, Educ. Psychol. Meas. 20(1).
    """
    n = tables.sum(axis=(-2, -1))
    by_chance = (tables.sum(axis=-1) * tables.sum(axis=-2)).sum(axis=-1)
    return divided(n * _agreed(tables) - by_chance, n * n - by_chance)


def krippendorff_alpha(tables: Counts) -> Values:
    """Krippendorff's alpha for nominal data: chance is drawing two of all the answers without putting back.

    α = 1 - (2n - 1) Σ_{c≠k} o_ck / Σ_{c≠k} m_c m_k, with coincidences o and m_k answers in category k. Who gave an answer
    plays no part. Not defined where all answers are the same.

    Source: K. Krippendorff (2011), Computing Krippendorff's alpha-reliability, section B.
    """
    n = tables.sum(axis=(-2, -1))
    chance = 4 * n * n - (_answers(tables) ** 2).sum(axis=-1)
    return 1 - divided((2 * n - 1) * 2 * (n - _agreed(tables)), chance)


def gwet_ac1(tables: Counts) -> Values:
    """Gwet's AC1: chance is guessing evenly, and only on clips that are hard.

    AC1 = (p_o - p_e) / (1 - p_e), p_e = Σ_k π_k (1 - π_k) / (K - 1), π_k = m_k / 2n. K is the number of categories that could
    be chosen, used or not. Not defined without clips.

    Source: K. L. Gwet (2008), Computing inter-rater reliability and its variance in the presence of high agreement,
    Br. J. Math. Stat. Psychol. 61.
    """
    n = tables.sum(axis=(-2, -1))
    k = tables.shape[-1]
    by_chance = 4 * n * n - (_answers(tables) ** 2).sum(axis=-1)  # p_e times 4 n² (K - 1)
    whole = 4 * n * n * (k - 1)
    return divided(4 * n * (k - 1) * _agreed(tables) - by_chance, whole - by_chance)


def one_against_rest(tables: Counts) -> Counts:
    """The 2 × 2 table of each category against all others.

    Returns
    -------
    (..., K, 2, 2)
    """
    both = np.diagonal(tables, axis1=-2, axis2=-1)
    first, second = tables.sum(axis=-1), tables.sum(axis=-2)
    rest = tables.sum(axis=(-2, -1))[..., None] - first - second + both
    return np.stack([np.stack([both, first - both], axis=-1), np.stack([second - both, rest], axis=-1)], axis=-2)


def _agreed(tables: Counts) -> Counts:
    return np.trace(tables, axis1=-2, axis2=-1)


def _answers(tables: Counts) -> Counts:
    """Answers in each category, of both raters together: (..., K)."""
    return tables.sum(axis=-1) + tables.sum(axis=-2)
