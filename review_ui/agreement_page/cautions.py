"""What the lead must know before quoting a figure: rules over the report."""

from collections.abc import Iterator
from typing import Final

from manifests.bootstrap import Figure
from manifests.review import FLAGS
from review_ui.agreement.parts import QUOTABLE_CLIPS
from review_ui.agreement.report import Coefficients, Report
from review_ui.agreement_page.strips import figures_of
from review_ui.agreement_page.words import UNDEFINED, between, clips, number, part, reason, share

GOLD_ACCURACY: Final = 0.8
"""Gold items are chosen to be plain. A person whose whole interval is below this hears otherwise, or does not listen."""
GOLD_ITEMS: Final = 5
"""Of fewer even a wide interval says nothing."""
WEEK_CLIPS: Final = 30
"""A week with fewer clips says nothing of drift."""


def cautions(report: Report) -> list[str]:
    """Sentences, most important first; none where nothing stands against the figures."""
    return [
        *_headline(report),
        *_machine_shown(report),
        *_control_and_selected(report),
        *_people(report),
        *_drift(report),
        *_flagged(report),
        *_undefined(report),
    ]


def _headline(report: Report) -> Iterator[str]:
    found, control = report.headline, report.slice("control")
    if not found.n:
        yield "No clip has an answer of both experts yet: there is no agreement to measure."
        return
    if found.figure.value is None:
        yield f"The figure to quote is not defined: {reason(found.figure.note)}."
    if found.n < QUOTABLE_CLIPS:
        yield (
            f"Too few clips: {clips(found.n)} with both answers; below {QUOTABLE_CLIPS} the figure may change much with the "
            "next answers."
        )
    if found.figure.value is not None and found.figure.note:
        yield f"Of the figure to quote: {found.figure.note}."
    if found.slice == "all" and control is not None and report.counts.pushed.get("control"):
        yield (
            f"Of the control slice only {clips(control.answers.n)} have both answers (wanted: {QUOTABLE_CLIPS}), so the figure "
            "covers clips that a model chose too. It does not stand for the whole data."
        )
    elif found.slice == "all":
        yield "There is no control slice: a model chose these clips, and the figure does not stand for the whole data."


def _machine_shown(report: Report) -> Iterator[str]:
    hidden, shown = report.slice("machine_hidden"), report.slice("machine_shown")
    if hidden is not None or shown is not None:
        yield (
            "Experts saw the machine’s label on some of the clips. There they may agree with the machine rather than with each "
            "other: quote the clips where it was hidden."
        )


def _control_and_selected(report: Report) -> Iterator[str]:
    control, selected = report.slice("control"), report.slice("selected")
    if control and selected and _apart(control.answers.alpha, selected.answers.alpha):
        a, b = control.answers.alpha, selected.answers.alpha
        yield (
            f"Control and selected clips differ: α = {number(a.value)} ({between(a)}) on control, {number(b.value)} "
            f"({between(b)}) on selected clips. A figure over both is a mixture; quote the control slice."
        )


def _people(report: Report) -> Iterator[str]:
    said = [
        f"{one.annotator} ({one.gold.hits} of {one.gold.n} as known, interval {share(one.gold.low)} to {share(one.gold.high)})"
        for one in report.people
        if one.gold.n >= GOLD_ITEMS and one.gold.high is not None and one.gold.high < GOLD_ACCURACY
    ]
    if said:
        yield f"Often other than the known answer of gold items: {'; '.join(said)}. Listen to some of these clips together."


def _drift(report: Report) -> Iterator[str]:
    weeks = [week for week in report.weeks if week.answers.n >= WEEK_CLIPS and week.answers.alpha.low is not None]
    if len(weeks) < 2:
        return
    first, last = weeks[0], weeks[-1]
    a, b = first.answers.alpha, last.answers.alpha
    if _apart(a, b):
        yield (
            f"Agreement has drifted: α = {number(a.value)} ({between(a)}) in {first.week}, {number(b.value)} ({between(b)}) in "
            f"{last.week}."
        )


def _flagged(report: Report) -> Iterator[str]:
    counts = report.counts
    if counts.flagged:
        most = sorted((flag for flag, n in counts.flags.items() if n), key=lambda flag: -counts.flags[flag])
        why = "; ".join(f"{FLAGS.get(flag, flag)} ({counts.flags[flag]:,})" for flag in most[:3])
        yield (
            f"{counts.flagged:,} of {counts.answers:,} answers ({part(counts.flagged, counts.answers)}) are flagged and do not "
            f"count: {why}{' …' if len(most) > 3 else ''}."
        )


def _undefined(report: Report) -> Iterator[str]:
    tables: list[Coefficients] = [found for one in report.slices for found in (one.answers, one.emotions)]
    tables += [found for language in report.languages for found in (language.answers, language.emotions)]
    missing = sum(figure.value is None for found in tables if found.n for figure in figures_of(found))
    if missing:
        yield (
            f"{missing} {'figure is' if missing == 1 else 'figures are'} not defined although there are clips; the tables show "
            f"{UNDEFINED} and say why."
        )


def _apart(one: Figure, other: Figure) -> bool:
    """Whether the intervals have nothing in common: a cautious sign that the figures differ."""
    if one.low is None or one.high is None or other.low is None or other.high is None:
        return False
    return one.high < other.low or other.high < one.low
