"""An evaluation for people, in the terminal."""

from rich.console import Console
from rich.table import Table

from manifests.bootstrap import Figure
from manifests.scoring import Scores
from manifests.terminal import console, escape
from pipeline.evaluation.evaluation import Evaluation

HEADLINE = {"ua": "UA", "wa": "WA", "macro_f1": "macro-F1", "weighted_f1": "weighted F1"}
"""The headline figures by their field."""


def print_evaluation(found: Evaluation) -> None:
    """Figures with their intervals, classes, languages, and the confusion in percent of each true class."""
    out = console()
    scores = found.scores
    out.print(f"[bold]{escape(found.subject)}[/bold] on {scores.clips:,} clips; intervals (95 %) over {drawn(scores)}")
    for field, name in HEADLINE.items():
        out.print(f"{name:<12}{escape(with_interval(getattr(scores, field)))}")
    if found.folds is not None:
        folds = ", ".join(f"{fold}: {ua:.3f}" for fold, ua in found.folds.ua.items())
        out.print(f"mean UA of the folds [bold]{found.folds.ua_mean:.4f}[/bold] ({folds})")
    if len(found.languages) > 1:
        _print_languages(out, found.languages)
    _print_classes(out, scores)
    _print_confusion(out, scores)
    for line in remarks(found):
        out.print(f"[yellow]{escape(line)}[/yellow]")


def drawn(scores: Scores) -> str:
    """What the intervals draw, e.g. ``24 speakers``."""
    return " and ".join(
        f"{count:,} {kind if count != 1 else kind.removesuffix('s')}" for kind, count in scores.drawn.items()
    )


def number(figure: Figure) -> str:
    return "–" if figure.value is None else f"{figure.value:.4f}"


def with_interval(figure: Figure) -> str:
    """``0.6754 [0.612, 0.733]``."""
    interval = "" if figure.low is None else f" [{figure.low:.3f}, {figure.high:.3f}]"
    return f"{number(figure)}{interval}"


def remarks(found: Evaluation) -> list[str]:
    """Sentences on what is not in the figures, or what to beware of."""
    lines = []
    outside = dict(found.scores.outside)
    if found.unanswered:
        lines.append(f"no prediction, counted as wrong: {_counts(found.unanswered)}")
        outside.pop("none", None)
    if outside:
        lines.append(f"predictions outside the seven classes, counted as wrong: {_counts(outside)}")
    if found.other_classes:
        lines.append(f"not scored, because their emotion is none of the seven: {_counts(found.other_classes)}")
    if found.not_scored:
        lines.append(f"not scored: {_counts(found.not_scored)}")
    parts = {"": found.scores, **(found.languages if len(found.languages) > 1 else {})}
    for language, scores in parts.items():
        if scores.ua.note:
            lines.append(f"{f'{language}: ' if language else ''}{scores.ua.note}")
    return [*lines, *found.notes]


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _table(first: str, *names: str) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column(first)
    for name in names:
        table.add_column(name, justify="right")
    return table


def _print_languages(out: Console, languages: dict[str, Scores]) -> None:
    table = _table("language", "clips", *HEADLINE.values())
    for language, scores in languages.items():
        ua = escape(with_interval(scores.ua))
        others = (number(getattr(scores, field)) for field in HEADLINE if field != "ua")
        table.add_row(escape(language), f"{scores.clips:,}", ua, *others)
    out.print(table)


def _print_classes(out: Console, scores: Scores) -> None:
    table = _table("class", "recall", "precision", "F1", "clips", "predicted")
    for name, one in scores.classes.items():
        precision = "–" if one.precision is None else f"{one.precision:.3f}"
        table.add_row(name, f"{one.recall:.3f}", precision, f"{one.f1:.3f}", f"{one.n:,}", f"{one.predicted:,}")
    out.print(table)


def _print_confusion(out: Console, scores: Scores) -> None:
    given = list(next(iter(scores.confusion.values()), {}))
    table = _table("true \\ predicted", *map(escape, given))
    for true, row in scores.confusion.items():
        total = sum(row.values())
        table.add_row(true, *(f"{row[name] / total:.0%}" for name in given))
    out.print(table)
