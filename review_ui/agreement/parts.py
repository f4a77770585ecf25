"""Agreement of the experts, whole and part by part: slices, languages, pairs of people, weeks."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from review_ui.agreement.figures import Codes, Resampling
from review_ui.agreement.pairs import CATEGORIES, EMOTIONS, Pairs, iso_week
from review_ui.agreement.report import Coefficients, Confusion, Headline, Language, Pair, Slice, SliceName, Week

QUOTABLE_CLIPS: Final = 100
"""Clips the control slice must have to give the figure to quote; of a handful no figure says anything."""

_BY_SCREEN: Final[tuple[SliceName, ...]] = ("machine_hidden", "machine_mixed", "machine_shown")


def slices(pairs: Pairs, resampling: Resampling) -> Iterator[Slice]:
    """All, control and selected; then by how many of the two experts saw the machine's label, where that differs."""
    masks: dict[SliceName, npt.NDArray[np.bool_]] = {
        "all": np.ones(len(pairs), dtype=bool),
        "control": pairs.arm == "control",
        "selected": pairs.arm == "selected",
    }
    screens = np.unique(pairs.shown)
    if len(screens) > 1:
        masks |= {_BY_SCREEN[shown]: pairs.shown == shown for shown in screens}
    for name, mask in masks.items():
        part = pairs.where(mask)
        tables = resampling.tables(part.a, part.b, part.source, len(CATEGORIES))
        emotions = _emotions(part.a, part.b, part.source, resampling)
        yield Slice(name, tables.coefficients(), emotions, tables.classes(CATEGORIES))


def headline(found: tuple[Slice, ...]) -> Headline:
    """The figure to quote; ``found`` as ``slices`` gives them."""
    by_name = {part.name: part for part in found}
    quoted = by_name["control"] if by_name["control"].answers.n >= QUOTABLE_CLIPS else by_name["all"]
    return Headline(quoted.name, "answers", "alpha", quoted.answers.n, quoted.answers.alpha)


def languages(pairs: Pairs, resampling: Resampling) -> Iterator[Language]:
    """Most clips first, then by name."""
    counted = Counter(pairs.language)
    for language in sorted(counted, key=lambda name: (-counted[name], name or "")):
        part = pairs.where(pairs.language == language)
        yield Language(language, *_both_treatments(part.a, part.b, part.source, resampling))


def people_pairs(pairs: Pairs, resampling: Resampling) -> Iterator[Pair]:
    """Most clips first, then by name."""
    swapped = pairs.person_a > pairs.person_b
    first, second = np.where(swapped, pairs.b, pairs.a), np.where(swapped, pairs.a, pairs.b)
    one, other = np.minimum(pairs.person_a, pairs.person_b), np.maximum(pairs.person_a, pairs.person_b)
    together = one * len(pairs.people) + other
    found, clips = np.unique(together, return_counts=True)
    for which in found[np.lexsort((found, -clips))]:  # people are by name already
        theirs = together == which
        names = pairs.people[which // len(pairs.people)], pairs.people[which % len(pairs.people)]
        yield Pair(names, *_both_treatments(first[theirs], second[theirs], pairs.source[theirs], resampling))


def weeks(pairs: Pairs, resampling: Resampling) -> Iterator[Week]:
    """By time; weeks without answers are left out."""
    for monday in np.unique(pairs.monday):
        part = pairs.where(pairs.monday == monday)
        yield Week(iso_week(monday), str(monday), _answers(part.a, part.b, part.source, resampling))


def confusion(pairs: Pairs) -> Confusion:
    k = len(CATEGORIES)
    table = np.bincount(pairs.a * k + pairs.b, minlength=k * k).reshape(k, k)
    return Confusion(CATEGORIES, tuple(tuple(row) for row in table.tolist()))


def _both_treatments(
    first: Codes, second: Codes, source: Codes, resampling: Resampling
) -> tuple[Coefficients, Coefficients]:
    return _answers(first, second, source, resampling), _emotions(first, second, source, resampling)


def _answers(first: Codes, second: Codes, source: Codes, resampling: Resampling) -> Coefficients:
    return resampling.tables(first, second, source, len(CATEGORIES)).coefficients()


def _emotions(first: Codes, second: Codes, source: Codes, resampling: Resampling) -> Coefficients:
    both = (first < len(EMOTIONS)) & (second < len(EMOTIONS))
    tables = resampling.tables(first[both], second[both], source[both], len(EMOTIONS))
    return tables.coefficients()
