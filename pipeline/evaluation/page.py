"""An evaluation as one HTML page that needs no other file and no network."""

from importlib.metadata import version
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure as Plot

from manifests.bootstrap import CONFIDENCE, Figure
from manifests.html_page import Html, card, escape, page, percent, section, table
from manifests.scoring import Scores
from manifests.storage import Store
from manifests.svg_plot import RC, plain, svg
from pipeline.evaluation.evaluation import Evaluation
from pipeline.evaluation.terminal import HEADLINE, drawn, number, remarks, with_interval

_BLUE, _WIDTH_IN = "#0072B2", 9.4
_SHADES = matplotlib.colors.LinearSegmentedColormap.from_list(
    "share", ["#FFFFFF", "#59A3CD"]
)  # black text stays readable
_LANGUAGES = 12  # in the plot; the table has all
_CSS = ".card i { display: block; } .notice ul { margin: .2rem 0; padding-left: 1.2rem; }"


def write_page(found: Evaluation, path: Path) -> None:
    """Write the page, replacing an older one. The same evaluation gives the same bytes.

    Raises
    ------
    StorageError : the page cannot be written
    """
    with matplotlib.rc_context(RC):
        body = "\n".join(
            filter(None, [_head(found), _notes(found), _intervals(found), _classes(found), _confusion(found)])
        )
    title = f"Evaluation: {found.subject}"
    foot = f"<footer>emotrove {escape(version('emotrove'))}. What each figure means is in docs/evaluation.md.</footer>"
    Store(str(path.parent)).write_text(path.name, page(title, f"{body}\n{foot}", css=_CSS))


def _head(found: Evaluation) -> str:
    scores = found.scores
    cards = "".join(card(number(one), name, _span(one)) for name, one in _headline(scores))
    if found.folds is not None:
        cards += card(f"{found.folds.ua_mean:.4f}", "mean UA of the folds", f"{len(found.folds.ua)} folds")
    clips = f"{scores.clips:,} clips with a known emotion."
    if scores.classes:
        clips += (
            f" In brackets {CONFIDENCE:.0%} intervals over {drawn(scores)}. Who always says the same of "
            f"{len(scores.classes)} classes has a UA of {_chance(scores):.4f}."
        )
    return f'<h1>{escape(found.subject)}</h1><p>{escape(clips)}</p><div class="cards">{cards}</div>'


def _intervals(found: Evaluation) -> str:
    """Figures by language and fold, with their intervals: a plot of UA, and all as a table."""
    parts = {"all": found.scores, **(found.languages if len(found.languages) > 1 else {})}
    rows = [
        (name, scores.clips, drawn(scores), *(with_interval(one) for _, one in _headline(scores)))
        for name, scores in parts.items()
    ]
    head = ("language", "clips", "drawn", *HEADLINE.values())
    folds = {f"fold {fold}": ua for fold, ua in found.folds.ua.items()} if found.folds else {}
    if len(parts) + len(folds) == 1:
        return ""  # the cards say it all
    by_fold = table(("fold", "UA"), [(fold, f"{ua:.4f}") for fold, ua in found.folds.ua.items()]) if found.folds else ""
    return section("Figures", _plot_ua(parts, folds) + table(head, rows) + by_fold, "figures")


def _plot_ua(parts: dict[str, Scores], folds: dict[str, float]) -> str:
    """UA with its interval, a line for each part; folds have none."""
    shown = [(name, scores.ua) for name, scores in list(parts.items())[: _LANGUAGES + 1]]
    lines = [(name, one.value, one.low, one.high) for name, one in shown if one.value is not None]
    lines += [(name, ua, None, None) for name, ua in folds.items()]
    figure = Plot((_WIDTH_IN, 0.7 + 0.3 * len(lines)), layout="constrained")
    axes = figure.subplots()
    for y, (name, value, low, high) in enumerate(lines):
        if low is not None and high is not None:
            axes.plot([low, high], [y, y], color=_BLUE, linewidth=2.5, solid_capstyle="butt")
        filled = "#FFFFFF" if low is None else _BLUE
        if name in parts:
            chance = _chance(parts[name])
            axes.plot([chance, chance], [y - 0.5, y + 0.5], color="#767676", linewidth=1, linestyle=(0, (4, 3)))
        axes.plot([value], [y], "o", markerfacecolor=filled, markeredgecolor=_BLUE, markersize=6)
    axes.set_yticks(range(len(lines)), [plain(name) for name, *_ in lines], parse_math=False)
    axes.set_ylim(len(lines) - 0.5, -0.5)
    axes.set_xlim(0, 1)
    axes.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    axes.grid(axis="x", color="#E0E0E0")
    axes.tick_params(axis="y", length=0)
    return svg(
        figure,
        "ua",
        "UA with its interval; hollow: without one; dashed: who always says the same (not drawn for folds)",
    )


def _classes(found: Evaluation) -> str:
    rows = [
        (
            name,
            f"{one.recall:.3f}",
            "–" if one.precision is None else f"{one.precision:.3f}",
            f"{one.f1:.3f}",
            one.n,
            one.predicted,
        )
        for name, one in found.scores.classes.items()
    ]
    return section("Classes", table(("class", "recall", "precision", "F1", "clips", "predicted"), rows), "classes")


def _confusion(found: Evaluation) -> str:
    """The table of counts as a heat map; a cell says its share of the row and its clips."""
    confusion = found.scores.confusion
    if not confusion:
        return ""
    given, true = list(next(iter(confusion.values()))), list(confusion)
    counts = [[confusion[t][p] for p in given] for t in true]
    shares = [[n / sum(row) for n in row] for row in counts]
    figure = Plot((_WIDTH_IN, 0.9 + 0.5 * len(true)), layout="constrained")
    axes = figure.subplots()
    axes.pcolormesh(shares, cmap=_SHADES, vmin=0, vmax=1, edgecolors="#FFFFFF", linewidth=1)
    for i, row in enumerate(counts):
        for j, n in enumerate(row):
            if n:
                axes.text(j + 0.5, i + 0.5, f"{percent(n, sum(row))}\n{n:,}", ha="center", va="center", fontsize=8)
            if given[j] == true[i]:
                axes.add_patch(
                    matplotlib.patches.Rectangle((j, i), 1, 1, fill=False, edgecolor="#1C1C1C", linewidth=1.2)
                )
    axes.set_xticks([j + 0.5 for j in range(len(given))], [plain(name) for name in given], parse_math=False)
    axes.set_yticks([i + 0.5 for i in range(len(true))], [plain(name) for name in true], parse_math=False)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.set_ylim(len(true), 0)
    axes.set_xlim(0, len(given))
    for spine in axes.spines.values():
        spine.set_visible(False)
    text = (
        "<p>Rows: the known emotion; columns: what was predicted. In each cell its share of the row and the number of clips. "
        "The diagonal, framed, is right; columns that are no class hold predictions that count as wrong.</p>"
    )
    return section("Confusion", text + svg(figure, "confusion", "Predictions for each known emotion"), "confusion")


def _chance(scores: Scores) -> float:
    """UA of a prediction that is always the same."""
    return 1 / len(scores.classes)


def _notes(found: Evaluation) -> str:
    lines = "".join(f"<li>{escape(line)}</li>" for line in remarks(found))
    return f'<div class="notice"><ul>{lines}</ul></div>' if lines else ""


def _headline(scores: Scores) -> list[tuple[str, Figure]]:
    return [(name, getattr(scores, field)) for field, name in HEADLINE.items()]


def _span(one: Figure) -> Html:
    return Html("" if one.low is None else f"[{one.low:.3f}, {one.high:.3f}]")
