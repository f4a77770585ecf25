"""Agreement part by part: slices and languages, classes, pairs of people, weeks, machines."""

from collections.abc import Sequence
from itertools import groupby

from manifests.html_page import Html, language_name, section, table
from review_ui.agreement.report import SLICES, Coefficients, Language, OneClass, Report, Slice, VoterAgreement
from review_ui.agreement_page.strips import COEFFICIENTS, agreement_table, figures_of, strip_table, with_interval
from review_ui.agreement_page.weeks_plot import plot_weeks
from review_ui.agreement_page.words import Notes, answer_name, long, number, share

PAIRS = 20
VOTERS_ABREAST = 5  # columns of a table that still fits on A4
_CLIPS_OF = {"all": "all clips", "control": "control clips"}
NO_CLIPS = "<p>No clip has an answer of both experts yet.</p>"


def slice_section(report: Report) -> str:
    """The forest plot: every slice and language, under both treatments of the escapes."""
    text = (
        "<p>A dot is the value, the line its 95% interval; a hollow dot has no interval. Raw agreement does not know what chance "
        "alone would give; κ, α and AC1 do, each in its own way.</p>"
    )
    if not _has_clips(report):
        return section("Slices and languages", NO_CLIPS, "slices")
    named: list[tuple[str, str, Slice | Language]] = [
        *((one.name.replace("_", " "), SLICES[one.name], one) for one in report.slices),
        *((language_name(one.language), "language", one) for one in report.languages),
    ]
    answers = agreement_table("part", [(long(name, what), one.answers) for name, what, one in named])
    emotions = agreement_table("part", [(long(name), one.emotions) for name, _, one in named])
    return section(
        "Slices and languages",
        f"{text}<h3>All answers: emotions and escapes are categories alike</h3>{answers}"
        f"<h3>Only clips to which both gave an emotion</h3>{emotions}",
        "slices",
    )


def class_section(report: Report) -> str:
    """Each class against all others: in all clips, then control and selected side by side."""
    whole = report.slice("all")
    if whole is None or not whole.answers.n:
        return section("Class by class", NO_CLIPS, "classes")
    text = (
        "<p>Each answer against all others: how far the experts agree on whether a clip is this or not. A rare class has a wide "
        "interval.</p>"
    )
    body = text + strip_table(
        ("answer", "by either", "by both"),
        COEFFICIENTS,
        [((answer_name(one.name), one.either, one.both), figures_of(one.figures), ()) for one in whole.classes],
    )
    control, selected = report.slice("control"), report.slice("selected")
    if control and selected and control.answers.n and selected.answers.n:
        body += "<h3>α of each class, control and selected clips apart</h3>" + _side_by_side(control, selected)
    return section("Class by class", body, "classes")


def pair_section(report: Report) -> str:
    """Who agrees with whom."""
    if not report.pairs:
        return section("Pairs of people", NO_CLIPS, "pairs")
    rows = [
        (Html(f'<div class="pair">{"".join(map(long, pair.people))}</div>'), pair.answers)
        for pair in report.pairs[:PAIRS]
    ]
    more = len(report.pairs) - PAIRS
    rest = (
        f"<p>… and {more:,} pairs with fewer clips: emotrove review agree RUN --json has them.</p>" if more > 0 else ""
    )
    return section(
        "Pairs of people",
        "<p>All clips that both answered, whoever was in which slot; all answers.</p>"
        + agreement_table("pair", rows)
        + rest,
        "pairs",
    )


def week_section(report: Report) -> str:
    """Drift: agreement by the week of the later answer."""
    if not report.weeks:
        return section("Week by week", NO_CLIPS, "weeks")
    notes = Notes()
    rows = [
        (week.week, week.monday, week.answers.n, *(with_interval(figure, notes) for figure in figures_of(week.answers)))
        for week in report.weeks
    ]
    text = "<p>A clip belongs to the week (UTC) of its later answer; a week without one is left out.</p>"
    listed = table(("week", "Monday", "clips", *COEFFICIENTS), rows) + notes.html()
    return section("Week by week", f'{text}{plot_weeks(report.weeks)}<div class="wide">{listed}</div>', "weeks")


def machine_section(report: Report) -> str:
    """The voters against the experts, and among themselves."""
    against_both = [found for found in report.voters if found.expert is None]
    if not any(found.figures.n for found in report.voters):
        return section(
            "Experts and machines", "<p>No clip has both a voter’s label and an expert’s emotion.</p>", "machines"
        )
    text = (
        "<p>Clips on which both experts gave the same emotion; raw agreement is then the voter’s accuracy. Only the control slice "
        "stands for the whole data: a model chose the others, often because the voters disagree there.</p>"
    )
    rows = [(long(voter_name(found.voter), _CLIPS_OF[found.slice]), found.figures) for found in against_both]
    body = text + agreement_table("voter", rows, ("accuracy", *COEFFICIENTS[1:]))
    body += "<h3>The voters among themselves</h3>" + agreement_table("", [(Html("all voters"), report.among_voters)])
    return section("Experts and machines", body + _by_expert(report.voters), "machines")


def voter_name(voter: str | None) -> str:
    return "consensus of all voters" if voter is None else voter


def _by_expert(voters: Sequence[VoterAgreement]) -> str:
    """Accuracy of each voter by the answers of each expert."""
    experts = sorted({found.expert for found in voters if found.expert is not None})
    names = [name for name, _ in groupby(found.voter for found in voters)]
    by_both = {(found.voter, found.expert): found.figures for found in voters}
    tables = []
    for start in range(0, len(names), VOTERS_ABREAST):
        some, notes = names[start : start + VOTERS_ABREAST], Notes()
        rows = [(long(expert), *(_accuracy(by_both.get((name, expert)), notes) for name in some)) for expert in experts]
        tables.append(table(("expert", *(long(voter_name(name)) for name in some)), rows) + notes.html())
    text = "<p>Share of the clips on which the voter gave this expert’s emotion, and how many clips.</p>"
    return f"<h3>Each voter against each expert</h3>{text}{''.join(tables)}" if experts else ""


def _accuracy(found: Coefficients | None, notes: Notes) -> Html:
    if found is None:
        return Html(number(None))
    mark = notes.mark(found.raw.note) if found.raw.value is None else ""
    return Html(f'<span class="whole">{share(found.raw.value)} <i>of {found.n:,}</i>{mark}</span>')


def _side_by_side(control: Slice, selected: Slice) -> str:
    pairs: list[tuple[OneClass, OneClass]] = list(zip(control.classes, selected.classes, strict=True))
    return strip_table(
        ("answer", "control, by either", "selected, by either"),
        ("α, control", "α, selected"),
        [
            ((answer_name(one.name), one.either, other.either), (one.figures.alpha, other.figures.alpha), ())
            for one, other in pairs
        ],
    )


def _has_clips(report: Report) -> bool:
    return any(one.answers.n for one in report.slices)
