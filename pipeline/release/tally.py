"""How many clips of each language and emotion a data set has, and by how many it falls short."""

from collections import Counter
from collections.abc import Iterable

from manifests.emotions import CLASSES

Counts = dict[str, dict[str, int]]
"""Language → emotion → clips."""


def nested(counts: Counter[tuple[str, str]]) -> Counts:
    """Counts by language and emotion, in alphabetical order."""
    found: Counts = {}
    for (language, emotion), count in sorted(counts.items()):
        found.setdefault(language, {})[emotion] = count
    return found


def shortfall(counts: Counts, per_class: int | None, languages: Iterable[str]) -> Counts:
    """What each class of these languages lacks to ``per_class``; only what lacks something. Empty where no number was asked."""
    short: Counts = {}
    if per_class is None:
        return short
    for language in languages:
        there = counts.get(language, {})
        missing = {str(e): per_class - there.get(e, 0) for e in CLASSES if there.get(e, 0) < per_class}
        if missing:
            short[language] = missing
    return short
