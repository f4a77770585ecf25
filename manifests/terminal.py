"""Writing to the terminal of a person: a console for every room, and text of the data made harmless for it."""

import re

from rich.console import Console
from rich.markup import escape as _escape_markup


def console() -> Console:
    """Of stdout; long lines are left to the terminal, so that they can be copied."""
    return Console(highlight=False, soft_wrap=True)


def escape(text: str) -> str:
    """Text of the data as one line for a terminal: no markup of rich, no line break, no escape sequence."""
    return _escape_markup(re.sub(r"[\x00-\x1f\x7f-\x9f]+", " ", text))
