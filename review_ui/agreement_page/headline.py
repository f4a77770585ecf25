"""The top of the page: the figure to quote and what it means, what to beware of, and how far review is."""

from importlib.metadata import version

from manifests.bootstrap import Figure
from manifests.html_page import card, escape, section
from review_ui.agreement.report import SLICES, Report
from review_ui.agreement_page.cautions import cautions
from review_ui.agreement_page.strips import Scale
from review_ui.agreement_page.words import UNDEFINED, between, clips, number, part, reason

RELIABLE, TENTATIVE = 0.8, 0.667
"""Krippendorff's own limits for alpha."""
CREMA_D = 0.28
"""Alpha of its listeners, computed from its published votes: docs/agreement.md."""

_INTERNAL = "Internal: this page names people by e-mail. Give it to nobody outside the project; a release names people by pseudonyms."


def header(report: Report, links: dict[str, str]) -> str:
    """Title, notice and links; ``links`` are headings by anchor."""
    listed = " ".join(f'<a href="#{escape(anchor)}">{escape(title)}</a>' for anchor, title in links.items())
    return (
        f'<header><h1>Agreement of the experts</h1><p class="path">{escape(report.run)}</p></header>'
        f'<p class="internal"><b>{_INTERNAL}</b></p><nav>{listed}</nav>'
    )


def headline(report: Report) -> str:
    """The progress, the figure to quote and what to beware of."""
    return _progress(report) + _quote(report)


def meaning(figure: Figure) -> str:
    """Krippendorff's alpha in plain words."""
    value = figure.value
    if value is None:
        return f"No figure can be given: {reason(figure.note)}."
    if value == 1:
        said = "The experts never disagree."
    elif value > 0:
        said = f"The experts disagree {value:.0%} less often than they would if their answers were dealt out by chance."
    elif value == 0:
        said = "The experts disagree as often as they would if their answers were dealt out by chance."
    else:
        said = "The experts disagree more often than they would if their answers were dealt out by chance."
    if value >= RELIABLE:
        reading = "reliable"
    elif value >= TENTATIVE:
        reading = "good for tentative conclusions"
    else:
        reading = "too low to rely on one expert alone"
    return (
        f"{said} Krippendorff’s rule for coded texts calls α from {RELIABLE} reliable, and from {TENTATIVE} good for tentative "
        f"conclusions; by it this one is {reading}. Emotion in speech is harder to tell: the untrained listeners of CREMA-D "
        f"reach {CREMA_D}. A verified label stands on firmer ground than one expert’s answer: both gave it, blind to the other’s."
    )


def footer(report: Report) -> str:
    """How the figures were computed."""
    text = (
        f"How this was computed: every interval of an agreement is a {report.confidence:.0%} percentile bootstrap over sources "
        f"(whole recordings are drawn, with all their clips), {report.resamples:,} resamples, seed {report.seed}; gold accuracy "
        "has a Wilson interval. Only answers without a flag count; gold items take no part in agreement. A figure that the data "
        f"do not define is {UNDEFINED}, and nothing is imputed. The same answers give the same page. "
        f"Report version {report.version}, emotrove {version('emotrove')}. More: docs/agreement.md of emotrove; all figures as "
        "JSON: emotrove review agree RUN --json."
    )
    return f"<footer>{escape(text)}</footer>"


def _quote(report: Report) -> str:
    found = report.headline
    quoted = report.slice(found.slice)
    sources = quoted.answers.n_sources if quoted is not None else 0
    scale = Scale.of([found.figure])
    figure = (
        f'<div class="figure">α = {number(found.figure.value)} <small>95% interval {between(found.figure)} · '
        f"{escape(clips(found.n))} from {sources:,} {'source' if sources == 1 else 'sources'}</small></div>"
    )
    what = f"Krippendorff’s α over all answers, emotions and escapes alike, on the slice “{found.slice}”: {SLICES[found.slice]}."
    drawn = f"{scale.strip(found.figure)}{scale.axis()}" if found.figure.value is not None else ""
    return section(
        "The figure to quote",
        f'<div class="quote">{figure}{drawn}<p>{escape(what)}</p><p>{escape(meaning(found.figure))}</p></div>'
        + _warnings(report),
        "quote",
    )


def _warnings(report: Report) -> str:
    found = cautions(report)
    if not found:
        return "<p>Nothing speaks against quoting it: enough clips, no flagged answer, no drift, nobody at odds with the gold items.</p>"
    listed = "".join(f"<li>{escape(caution)}</li>" for caution in found)
    return f'<div class="warning"><b>Beware</b><ul>{listed}</ul></div>'


def _progress(report: Report) -> str:
    counts, table = report.counts, report.confusion
    pushed = sum(counts.pushed.values())
    compared = sum(map(sum, table.counts))
    same = sum(table.counts[i][i] for i, name in enumerate(table.categories) if name in report.emotions)
    arms = ", ".join(f"{n:,} {arm}" for arm, n in counts.pushed.items())
    cards = [
        card(f"{pushed:,}", "clips pushed", f"({arms})"),
        card(f"{counts.both:,}", "answered by both", part(counts.both, pushed), "both"),
        card(f"{counts.one:,}", "answered by one", part(counts.one, pushed), "one"),
        card(f"{counts.none:,}", "not answered", part(counts.none, pushed), "none"),
        card(part(same, compared), "verified: both gave the same emotion", f"({same:,} of {compared:,}, gold apart)"),
        card(f"{counts.answers:,}", "answers", f"({counts.flagged:,} flagged)"),
    ]
    return section("Progress", f'<div class="cards">{"".join(cards)}</div>{_bar(report)}', "progress")


def _bar(report: Report) -> str:
    counts = report.counts
    whole, left, drawn = counts.both + counts.one + counts.none, 0.0, ""
    if not whole:
        return ""
    for n, colour in ((counts.both, "#0072b2"), (counts.one, "#56b4e9"), (counts.none, "#c8c8c8")):
        width = 100 * n / whole
        drawn += f'<rect x="{left:.3f}%" width="{width:.3f}%" height="14" fill="{colour}"/>'
        left += width
    return f'<svg class="progress" aria-hidden="true">{drawn}</svg>'
