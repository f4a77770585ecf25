"""How the page says figures, categories and notes."""

import re
from collections.abc import Sequence
from string import ascii_lowercase

from manifests.bootstrap import Figure
from manifests.emotions import CLASSES
from manifests.html_page import Html, escape
from manifests.review import ESCAPES
from review_ui.screen_words import word

UNDEFINED = "–"
_SHORT = 18  # bytes: a Chinese character takes three, and the place of two letters
_ANSWERS = {*map(str, CLASSES), *ESCAPES}


def number(value: float | None, digits: int = 2) -> str:
    """A figure; one that is not defined is a dash, never 0."""
    if value is None:
        return UNDEFINED
    shown = f"{value:.{digits}f}"
    return shown.replace("-", "−") if float(shown) else shown.removeprefix("-")


def share(value: float | None, digits: int = 0) -> str:
    return UNDEFINED if value is None else f"{value:.{digits}%}"


def part(hits: int, whole: int) -> str:
    """``12.3%``; a dash where there is no whole."""
    return share(hits / whole if whole else None, 1)


def between(figure: Figure) -> str:
    """``0.55 to 0.68``, or a dash where there is no interval."""
    return UNDEFINED if figure.low is None else f"{number(figure.low)} to {number(figure.high)}"


def reason(note: str | None) -> str:
    """Why a figure is not defined, to stand behind words that say it is not."""
    return (note or "").removeprefix("not defined: ")


def clips(n: int) -> str:
    return f"{n:,} {'clip' if n == 1 else 'clips'}"


def answer_name(code: str) -> Html:
    """An answer in the words of the experts' screen, English and below it Chinese."""
    if code not in _ANSWERS:
        return long(code)
    return Html(f'{escape(word(code, "en"))}<span class="beside" lang="zh">{escape(word(code, "zh"))}</span>')


def long(text: str, beside: str = "") -> Html:
    """Text of the data, with a remark below it: kept whole where it is short, else broken, between the parts of a name if it can be."""
    shown = escape(text)
    short = len(text.encode()) <= _SHORT
    if not short:
        shown = re.sub("([@._-])", r"\1<wbr>", shown)
    below = f'<span class="beside">{escape(beside)}</span>' if beside else ""
    return Html(f'<span class="{"whole" if short else "long"}">{shown}</span>{below}')


class Notes:
    """The footnotes of a table. Notes that differ in numbers only share one, which then gives their range."""

    def __init__(self) -> None:
        self._notes: dict[str, list[str]] = {}

    def mark(self, note: str | None) -> Html:
        """The sign to put behind a figure with this note."""
        if note is None:
            return Html()
        kind = re.sub(r"\d+", "#", note)
        known = self._notes.setdefault(kind, [])
        if note not in known:
            known.append(note)
        return Html(f"\u202f<sup>{_letter(list(self._notes).index(kind))}</sup>")

    def html(self) -> str:
        """The notes, to stand below the table."""
        said = (
            f"<span><sup>{_letter(i)}</sup> {escape(_joined(same))}</span>"
            for i, same in enumerate(self._notes.values())
        )
        text = " ".join(said)
        return f'<p class="facts notes">{text}</p>' if text else ""


def _letter(i: int) -> str:
    return ascii_lowercase[i] if i < 26 else f"{_letter(i // 26 - 1)}{_letter(i % 26)}"


def _joined(notes: Sequence[str]) -> str:
    """``2–7 of 1000 resamples`` for ``2 of 1000 resamples`` and ``7 of 1000 resamples``."""
    words = re.split(r"\d+", notes[0])
    numbers = zip(*([int(found) for found in re.findall(r"\d+", note)] for note in notes), strict=True)
    ranges = [str(min(of)) if min(of) == max(of) else f"{min(of)}–{max(of)}" for of in numbers]
    return "".join(a + b for a, b in zip(words, [*ranges, ""], strict=True))
