"""The report on agreement as tables that fit a terminal of 100 columns."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from manifests.review import FLAGS
from manifests.terminal import console, escape
from review_ui.agreement.report import (
    COEFFICIENTS,
    Coefficients,
    Figure,
    Person,
    Report,
    Share,
    SliceName,
    VoterAgreement,
)

_SLICES: dict[SliceName, str] = {
    "all": "all",
    "control": "control",
    "selected": "selected",
    "machine_hidden": "label hidden",
    "machine_mixed": "shown to one",
    "machine_shown": "label shown",
}
_FOUR = ("raw", "κ", "α", "AC1")
_LONGEST = 12  # rows of a list that grows with the data; the rest is in --json
_WIDTH = 100
_WIDEST = 26  # characters of a name


def print_report(report: Report, shown: Console | None = None) -> None:
    """All of it, to stdout unless told otherwise."""
    out = shown or console()
    out.width = max(out.width, _WIDTH)  # a narrower terminal breaks lines; no figure is ever cut
    called = _short_names(report.people)
    out.print(f"[bold]Agreement of the experts[/bold], {escape(report.run)}")
    _print_headline(out, report)
    _print_counts(out, report)
    _print_slices(out, report)
    if report.counts.both:
        _print_classes(out, report)
        _print_parts(out, report, called)
        _print_confusion(out, report)
    _print_people(out, report.people, called)
    _print_voters(out, report, called)
    out.print(
        f"\n[dim]In brackets: 95 % interval over sources, {report.resamples:,} resamples, seed {report.seed}. "
        "–: not defined. ': few sources, or no width: see the notes in --json.\nWhat each figure means: "
        "docs/agreement.md[/dim]"
    )


def _print_headline(out: Console, report: Report) -> None:
    quoted = report.headline
    figure = quoted.figure
    if figure.value is None:
        out.print(f"{COEFFICIENTS[quoted.coefficient]}: {figure.note}")
        return
    interval = "no interval" if figure.low is None else f"95 % interval {figure.low:.3f} to {figure.high:.3f}"
    of = "clips chosen by chance" if quoted.slice == "control" else "clips, chosen by chance and by models"
    out.print(
        f"[bold]{COEFFICIENTS[quoted.coefficient]} {figure.value:.3f}[/bold] ({interval}) over all answers to "
        f"{quoted.n:,} {of}"
    )
    if figure.note:
        out.print(f"[yellow]{figure.note}[/yellow]")


def _print_counts(out: Console, report: Report) -> None:
    counts = report.counts
    arms = ", ".join(f"{n:,} {arm}" for arm, n in counts.pushed.items() if n)
    out.print(
        f"{sum(counts.pushed.values()):,} clips pushed ({arms}): {counts.both:,} answered by both, {counts.one:,} by one, "
        f"{counts.none:,} by none"
    )
    if counts.answers:
        flagged = ", ".join(f"{n:,} {flag.replace('_', ' ')}" for flag, n in counts.flags.items() if n)
        escapes = ", ".join(f"{n:,} {escape_.replace('_', ' ')}" for escape_, n in counts.escapes.items() if n)
        out.print(f"{counts.answers:,} answers; flagged and not counted: {flagged or 'none'}")
        out.print(f"escapes: {escapes or 'none'}")


def _print_slices(out: Console, report: Report) -> None:
    table = _table("", "over", "clips", *_FOUR)
    for part in report.slices:
        for over, found in (("all answers", part.answers), ("emotions", part.emotions)):
            table.add_row(_SLICES[part.name] if over != "emotions" else "", over, f"{found.n:,}", *_four(found))
    _print(out, "Both experts", table)


def _print_classes(out: Console, report: Report) -> None:
    table = _table("", "either", "both", *_FOUR[:3])  # AC1 and raw are near 1 for a rare class, whatever people do
    for one in report.slices[0].classes:
        if one.either:
            table.add_row(_words(one.name), f"{one.either:,}", f"{one.both:,}", *_four(one.figures)[:3])
    _print(out, "One against the rest: clips to which either or both gave it", table)


def _print_parts(out: Console, report: Report, called: dict[str, str]) -> None:
    groups = (
        ("By language", [(escape(part.language or "not given"), part.answers) for part in report.languages]),
        (
            "By pair of people",
            [(" & ".join(called[person] for person in part.people), part.answers) for part in report.pairs],
        ),
        ("By week of the later answer", [(part.week, part.answers) for part in report.weeks[-_LONGEST:]]),
    )
    for title, rows in groups:
        table = _table("", "clips", *_FOUR)
        for name, found in rows[:_LONGEST]:
            table.add_row(name, f"{found.n:,}", *_four(found))
        _print(out, title, table)
        if len(rows) > _LONGEST:
            out.print(f"[dim]and {len(rows) - _LONGEST} more in --json[/dim]")
    if len(report.weeks) > _LONGEST:
        out.print(f"[dim]and {len(report.weeks) - _LONGEST} weeks before in --json[/dim]")


def _print_confusion(out: Console, report: Report) -> None:
    names = report.confusion.categories
    table = _table("A said, B said", *(name[:3] for name in names))
    for row, (name, counts) in enumerate(zip(names, report.confusion.counts, strict=True)):
        cells = (f"[bold]{n:,}[/bold]" if row == column else f"{n:,}" for column, n in enumerate(counts))
        table.add_row(_words(name), *(cell if cell != "0" else "[dim]·[/dim]" for cell in cells))
    _print(out, "Clips by what A (rows) and B (columns) said", table)


def _print_people(out: Console, people: Sequence[Person], called: dict[str, str]) -> None:
    if not people:
        return
    table = _table("", "answers", "counted", "escapes", "s/clip", "× length", "gold items right")
    for one in people:
        pace = (f"{x:.1f}" if x is not None else "–" for x in (one.seconds_per_clip, one.seconds_per_second))
        table.add_row(
            called[one.annotator], f"{one.answers:,}", f"{one.counted:,}", f"{one.escapes:,}", *pace, _gold(one.gold)
        )
    _print(out, "People", table)
    for one in people:
        for flag, n in one.flags.items():
            out.print(f"[dim]{called[one.annotator]}: {n:,} × {FLAGS[flag]}[/dim]")


def _print_voters(out: Console, report: Report, called: dict[str, str]) -> None:
    table = _table("", "against", "clips", "accuracy", "κ")
    last: object = ""
    for found in report.voters:
        if found.figures.n:
            voter = "consensus" if found.voter is None else found.voter
            figures = found.figures
            table.add_row(
                escape(voter[:_WIDEST]) if found.voter != last else "",
                _against(found, called),
                f"{figures.n:,}",
                _figure(figures.raw),
                _figure(figures.kappa),
            )
            last = found.voter
    if table.row_count:
        _print(out, "Machines against experts, where the experts gave an emotion", table)
    among = report.among_voters
    if among.n:
        out.print(
            f"The voters among themselves, {among.n:,} clips: raw {_figure(among.raw)}, α {_figure(among.alpha)}, "
            f"AC1 {_figure(among.ac1)}"
        )


def _against(found: VoterAgreement, called: dict[str, str]) -> str:
    if found.expert is not None:
        return called[found.expert]
    return "both agree" if found.slice == "all" else "both agree, control"


def _four(found: Coefficients) -> tuple[str, ...]:
    return tuple(_figure(figure) for figure in (found.raw, found.kappa, found.alpha, found.ac1))


def _figure(figure: Figure) -> str:
    """``0.71 [.61, .79]``: at most 17 characters."""
    if figure.value is None:
        return "–"
    text = _two_decimals(figure.value)
    if figure.low is None or figure.high is None:
        return text + "'"
    return rf"{text} \[{_bare(figure.low)}, {_bare(figure.high)}]" + ("'" if figure.note else "")


def _gold(share: Share) -> str:
    if share.value is None or share.low is None or share.high is None:
        return "–"
    return rf"{share.hits} of {share.n}, {share.value:.2f} \[{_bare(share.low)}, {_bare(share.high)}]"


def _bare(value: float) -> str:
    """Two decimals without the zero before the point, and a bare 1, so that four figures fit beside each other."""
    text = _two_decimals(value)
    return text.removesuffix(".00") if abs(float(text)) == 1 else text.replace("0.", ".", 1)


def _two_decimals(value: float) -> str:
    return f"{round(value, 2) + 0.0:.2f}"  # no -0.00


def _short_names(people: Sequence[Person]) -> dict[str, str]:
    """What to call people in a table: the e-mail up to the at sign, where that tells them apart."""
    whole = [one.annotator for one in people]
    short = [name.split("@")[0][:_WIDEST] for name in whole]
    return {
        name: escape(called)
        for name, called in zip(whole, short if len({*short}) == len(short) else whole, strict=True)
    }


def _words(name: str) -> str:
    return name.replace("_", " ")


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, collapse_padding=True, padding=(0, 2, 0, 0))
    for name in names:
        table.add_column(
            name, justify="left" if name in ("", "over", "against", "A said, B said") else "right", no_wrap=True
        )
    return table


def _print(out: Console, title: str, table: Table) -> None:
    out.print(f"\n[bold]{title}[/bold]")
    out.print(table)
