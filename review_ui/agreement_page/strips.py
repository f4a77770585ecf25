"""Dot and interval on a scale, in the cells of a table: the number stands below each, so the table is its own text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from manifests.bootstrap import Figure
from manifests.html_page import Html, escape, table
from review_ui.agreement.report import Coefficients, Share
from review_ui.agreement_page.words import Notes, number, share

_END = {"0.00%": ' class="first"', "100.00%": ' class="last"'}  # no number may reach into the next column
COEFFICIENTS = ("raw agreement", "Cohen’s κ", "Krippendorff’s α", "Gwet’s AC1")


@dataclass(frozen=True, slots=True)
class Scale:
    """What a strip spans: up to 1, and down to 0, -0.1, -0.5 or -1, as the figures need."""

    low: float

    @classmethod
    def of(cls, figures: Iterable[Figure | Share]) -> "Scale":
        lowest = min((x for f in figures for x in (f.value, f.low) if x is not None), default=0.0)
        return cls(next(low for low in (0.0, -0.1, -0.5, -1.0) if lowest >= low))

    @property
    def ticks(self) -> tuple[float, ...]:
        """Where there is a line and a number; more would touch each other on paper."""
        return (-1.0, 0.0, 1.0) if self.low == -1 else (0.0, 0.5, 1.0)

    def at(self, value: float) -> str:
        return f"{100 * (value - self.low) / (1 - self.low):.2f}%"

    def axis(self) -> str:
        """The numbers above a column of strips."""
        said = "".join(
            f'<text x="{self.at(tick)}" y="11"{_END.get(self.at(tick), "")}>{number(tick, 1).removesuffix(".0")}</text>'
            for tick in self.ticks
        )
        return f'<svg class="strip axis" aria-hidden="true">{said}</svg>'

    def strip(self, figure: Figure | Share) -> str:
        """A dot at the value and a line over its interval; without an interval the dot is hollow; nothing without a value."""
        if figure.value is None:
            return ""
        drawn = ['<line class="tick" x1="0" x2="100%" y1="8" y2="8"/>']
        drawn += [f'<line class="tick" x1="{x}" x2="{x}" y1="0" y2="16"/>' for x in map(self.at, self.ticks)]
        if figure.low is not None and figure.high is not None:
            drawn.append(f'<line class="span" x1="{self.at(figure.low)}" x2="{self.at(figure.high)}" y1="8" y2="8"/>')
        kind = "dot hollow" if figure.low is None else "dot"
        drawn.append(f'<circle class="{kind}" cx="{self.at(figure.value)}" cy="8" r="4.5"/>')
        return f'<svg class="strip" aria-hidden="true">{"".join(drawn)}</svg>'


def with_interval(figure: Figure | Share, notes: Notes) -> Html:
    """``0.62 [0.55, 0.68]`` and the sign of its note; a share in percent, and of how many."""
    if isinstance(figure, Share):
        say, behind = share, f'<span class="beside">{figure.hits:,} of {figure.n:,}</span>'
        mark = ""
    else:
        say, behind = number, ""
        mark = notes.mark(figure.note)
    interval = f" <i>[{say(figure.low)}, {say(figure.high)}]{mark}</i>" if figure.low is not None else mark
    return Html(f"{say(figure.value)}{interval}{behind}")


def figures_of(coefficients: Coefficients) -> tuple[Figure, ...]:
    """In the order of ``COEFFICIENTS``."""
    return coefficients.raw, coefficients.kappa, coefficients.alpha, coefficients.ac1


def strip_table(
    head: Sequence[str],
    names: Sequence[str],
    rows: Sequence[tuple[Sequence[object], Sequence[Figure | Share], Sequence[object]]],
    after: Sequence[str] = (),
) -> str:
    """A table with a strip for each figure, all on one scale, and its notes below.

    Parameters
    ----------
    head : of the cells before the figures
    names : of the figures
    rows : cells before the figures, the figures, cells behind them
    after : head of the cells behind the figures
    """
    scale, notes = Scale.of(figure for _, figures, _ in rows for figure in figures), Notes()
    columns = [Html(f"{escape(name)}{scale.axis()}") for name in names]
    lines = [
        (
            *before,
            *(Html(f'{scale.strip(f)}<span class="value">{with_interval(f, notes)}</span>') for f in figures),
            *behind,
        )
        for before, figures, behind in rows
    ]
    return f'<div class="wide">{table([*head, *columns, *after], lines)}{notes.html()}</div>'


def agreement_table(head: str, rows: Sequence[tuple[Html, Coefficients]], names: Sequence[str] = COEFFICIENTS) -> str:
    """A row for each set of coefficients: what it is of, clips and sources, and the four of them as strips."""
    return strip_table((head, "clips"), names, [((of, _clips(found)), figures_of(found), ()) for of, found in rows])


def _clips(found: Coefficients) -> Html:
    sources = f"{found.n_sources:,} {'source' if found.n_sources == 1 else 'sources'}"
    return Html(f'{found.n:,}<span class="beside whole">{sources}</span>')
