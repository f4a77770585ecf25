"""The plots of the page."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from annotators.style import reference_key
from manifests.html_page import language_name
from manifests.schema import OUTCOMES
from manifests.svg_plot import plain, svg
from pipeline.page.figures import LANGUAGES, MEASURES, Figures

# Okabe and Ito's palette, which people with any colour vision can tell apart, and a grey that is not one of them to anybody.
COLOURS = {
    "angry": "#D55E00",
    "disgusted": "#009E73",
    "fearful": "#CC79A7",
    "happy": "#E69F00",
    "neutral": "#CCCCCC",
    "sad": "#0072B2",
    "surprised": "#56B4E9",
}
_NO_COLOUR = "#5A5A5A"
_OUTCOME_COLOURS = {"labeled": "#0072B2", "rejected": "#E69F00", "failed": "#D55E00"}
_LEVEL_COLOURS = {"low": "#9ECAE1", "medium": "#4292C6", "high": "#08519C", None: "#C8C8C8"}

_WIDTH_IN = 9.4


def plot_outcomes(figures: Figures) -> str:
    bars = [(language_name(name), figures.outcomes[name]) for name in figures.languages[:LANGUAGES]]
    if others := figures.languages[LANGUAGES:]:
        bars.append((f"{len(others)} others", sum((figures.outcomes[name] for name in others), Counter())))
    figure = Figure((_WIDTH_IN, 0.75 + 0.34 * len(bars)), layout="constrained")
    axes = figure.subplots()
    left = [0.0] * len(bars)
    for outcome in OUTCOMES:
        shares = [100 * counts[outcome] / counts.total() for _, counts in bars]
        axes.barh(range(len(bars)), shares, 0.62, left=left, color=_OUTCOME_COLOURS[outcome], label=outcome)
        left = [a + b for a, b in zip(left, shares, strict=True)]
    for y, (_, counts) in enumerate(bars):
        said = " · ".join(f"{counts[outcome]:,} {outcome}" for outcome in OUTCOMES)
        axes.annotate(said, (101, y), va="center", annotation_clip=False)
    axes.set_yticks(range(len(bars)), [plain(name) for name, _ in bars], parse_math=False)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(bars) - 0.5, -0.5)
    axes.set_xlim(0, 100)
    axes.xaxis.set_major_formatter("{x:.0f}%")
    figure.legend(loc="outside upper left", ncols=3)
    return svg(figure, "outcomes", "Outcomes by language, in percent of the clips")


def plot_emotions(figures: Figures, languages: Sequence[str | None], names: Sequence[str | None]) -> str:
    columns = min(3, len(languages))
    lines = -(-len(languages) // columns)
    figure = Figure((_WIDTH_IN, 0.25 + lines * (0.6 + 0.23 * len(names))), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True, sharey=True)
    most = max(
        rows / counts.total() for counts in map(figures.emotions.__getitem__, languages) for rows in counts.values()
    )
    for i, axes in enumerate(grid.flat):
        if i >= len(languages):
            axes.set_axis_off()
            continue
        counts = figures.emotions[languages[i]]
        shares = [100 * counts[emotion] / counts.total() for emotion in names]
        axes.barh(range(len(names)), shares, 0.72, color=[colour(emotion) for emotion in names])
        for y, share in enumerate(shares):
            axes.annotate(f"{share:.0f}%", (share, y), (3, 0), textcoords="offset points", va="center")
        axes.set_yticks(range(len(names)), [plain(emotion or "none") for emotion in names], parse_math=False)
        axes.set_title(f"{plain(language_name(languages[i]))}: {counts.total():,} clips", parse_math=False)
        axes.set_xlim(0, 118 * most)
        axes.xaxis.set_visible(False)  # every bar says its value
        axes.spines["bottom"].set_visible(False)
        axes.tick_params(axis="y", length=0)
    grid[0][0].invert_yaxis()
    return svg(figure, "emotions", "Emotions by language, in percent of the labeled clips")


def plot_confidence(figures: Figures) -> str:
    figure = Figure((_WIDTH_IN, 2.6), layout="constrained")
    axes = figure.subplots()
    bottom = [0] * 20
    for emotion in figures.emotion_names:
        counts = figures.confidence.get(emotion or "", Counter())
        heights = [counts[i] for i in range(20)]
        if any(heights):
            middles = [(i + 0.5) / 20 for i in range(20)]
            axes.bar(middles, heights, 0.046, bottom=bottom, color=colour(emotion), label=plain(emotion))
            bottom = [a + b for a, b in zip(bottom, heights, strict=True)]
    axes.set_xlim(0, 1)
    axes.set_xlabel("confidence")
    axes.set_ylabel("clips")
    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.yaxis.set_major_formatter("{x:,.0f}")
    figure.legend(loc="outside right upper", reverse=True)
    return svg(figure, "confidence", "How many clips have which consensus confidence, by emotion")


def plot_style(figures: Figures, languages: Sequence[str | None], reference: Mapping[str, Any]) -> str:
    figure = Figure((_WIDTH_IN, 0.45 + 1.55 * len(languages)), layout="constrained")
    grid = figure.subplots(len(languages), 3, squeeze=False)
    labels: dict[str, Any] = {}
    for column, (measure, name, unit, width) in enumerate(MEASURES):
        for line, language in enumerate(languages):
            axes, counts = grid[line][column], figures.style.get((measure, language), Counter())
            if not counts:
                axes.set_axis_off()
                continue
            by_unit: Counter[str | None] = Counter()
            for (of, _, _), rows in counts.items():
                by_unit[of] += rows
            # A rate per phone and one per letter do not belong on one axis; the more frequent unit is shown.
            most = max(by_unit, key=lambda key: (by_unit[key], key or ""))
            bins = {(b, level): rows for (of, b, level), rows in counts.items() if of == most}
            low, high = _span(bins)
            bottom: Counter[int] = Counter()
            for level, shade in _LEVEL_COLOURS.items():
                xs = sorted(b for b, of in bins if of == level)
                middles, heights = [(b + 0.5) * width for b in xs], [bins[b, level] for b in xs]
                bars = axes.bar(middles, heights, 0.92 * width, [bottom[b] for b in xs], color=shade)
                bottom.update({b: bins[b, level] for b in xs})
                if xs:
                    labels.setdefault(level or "no word", bars)
            known = reference.get(language or "", {}).get(reference_key(measure, {"rate_unit": most}))
            if known:
                for limit in (known["mean"] - known["std"], known["mean"] + known["std"]):
                    labels["limits"] = axes.axvline(limit, color="#222222", linewidth=1, linestyle=(0, (4, 3)))
            axes.set_xlim(low * width, high * width)
            axes.set_title(f"{plain(language_name(language))}: {name}", parse_math=False)
            axes.set_xlabel(plain(f"{most or 'units'} per s") if name == "rate" else unit, parse_math=False)
            axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
            axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))
            axes.yaxis.set_major_formatter("{x:,.0f}")
    order = [name for name in ("low", "medium", "high", "no word", "limits") if name in labels]
    figure.legend([labels[name] for name in order], order, loc="outside upper left", ncols=5)
    return svg(figure, "style", "Clips by pitch, loudness and speaking rate, with the limits of low and high")


def _span(bins: Mapping[tuple[int, str | None], int]) -> tuple[int, int]:
    """First and last bin to show: without the outermost thousandth on either side, so that no outlier squeezes the rest."""
    total = sum(bins.values())
    seen, shown = 0, []
    for b, rows in sorted(bins.items(), key=lambda item: item[0][0]):
        if seen + rows > total / 1000 and seen < total - total / 1000:
            shown.append(b[0])
        seen += rows
    return min(shown) - 1, max(shown) + 2


def colour(emotion: str | None) -> str:
    return COLOURS.get(emotion or "", _NO_COLOUR)
