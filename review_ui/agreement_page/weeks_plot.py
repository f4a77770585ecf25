"""Agreement over the weeks as a line with its intervals, and how many clips each week has."""

import datetime as dt
import math
from collections.abc import Sequence

import matplotlib
from matplotlib.dates import date2num, num2date
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from manifests.svg_plot import RC, svg
from review_ui.agreement.report import Week

_LINE, _BARS = "#0072B2", "#8C8C8C"
_WEEK = 7  # days
_SIZE_IN = (7.6, 3.4)  # on A4 its text is then hardly smaller than that of the page
_DATES = 8  # as many as fit under the axis


def plot_weeks(weeks: Sequence[Week]) -> str:
    """Krippendorff's alpha of each week; neighbouring weeks are joined, a gap in time stays a gap."""
    with matplotlib.rc_context(RC):
        figure = Figure(_SIZE_IN, layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        days = [float(date2num(dt.date.fromisoformat(week.monday))) for week in weeks]
        alphas = [week.answers.alpha for week in weeks]
        line: list[tuple[float, float]] = []
        for x, f in zip(days, alphas, strict=True):
            if f.value is None:
                continue
            if line and x - line[-1][0] > _WEEK:
                line.append((x - 1, math.nan))
            line.append((x, f.value))
            if f.low is not None and f.high is not None:
                upper.vlines(x, f.low, f.high, color=_LINE, linewidth=3, alpha=0.45)
            upper.plot(x, f.value, "o", color=_LINE, markersize=5, markerfacecolor="white" if f.low is None else _LINE)
        upper.plot([x for x, _ in line], [y for _, y in line], color=_LINE, linewidth=1.2)
        if not line:
            upper.text(0.5, 0.5, "α is not defined in any week", transform=upper.transAxes, ha="center")
        lowest = min((x for f in alphas for x in (f.value, f.low) if x is not None), default=0.0)
        upper.set_ylim(min(-0.02, lowest - 0.05), 1.04)
        upper.grid(axis="y", color="#DDDDDD", linewidth=0.7)
        upper.set_ylabel("α, all answers")
        lower.bar(days, [week.answers.n for week in weeks], 4.5, color=_BARS)
        lower.set_ylabel("clips")
        lower.yaxis.set_major_locator(MaxNLocator(nbins=3, integer=True))
        lower.yaxis.set_major_formatter("{x:,.0f}")
        every = _WEEK * -(-(round(days[-1] - days[0]) // _WEEK + 1) // _DATES)
        ticks = list(range(round(days[0]), round(days[-1]) + 1, every))
        lower.set_xticks(ticks, [num2date(day).date().isoformat() for day in ticks])
        lower.set_xlim(days[0] - 5, days[-1] + 5)
        return svg(figure, "weeks", "Krippendorff's α week by week with its 95% interval, and the clips of each week")
