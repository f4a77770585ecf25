"""Plots by matplotlib as SVG inside a page, whose bytes depend on the figures alone."""

import io
import re
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from manifests.html_page import escape

RC: Any = {
    "svg.fonttype": "none",  # text stays text
    "font.size": 9.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.axisbelow": True,
    "xtick.color": "#444444",
    "ytick.color": "#222222",
    "legend.frameon": False,
}
"""To be in force (``matplotlib.rc_context``) while a plot is made and written."""


def svg(figure: Figure, name: str, title: str) -> str:
    """The figure as a ``<figure>`` with a caption; its ids begin with ``name`` and so meet no other plot's."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):  # without it the ids would differ from run to run
        figure.savefig(buffer, format="svg", metadata={"Date": None}, transparent=True)
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'((?: id="|url\(#|href="#))', rf"\1{name}-", text)
    text = text.replace("<svg", f'<svg role="img" aria-label="{escape(title)}"', 1)
    return f"<figure>{text}<figcaption>{escape(title)}.</figcaption></figure>"


def plain(text: object) -> str:
    """A word of the data for a plot, whose font knows Latin letters only."""
    shown = str(text).encode("ascii", "backslashreplace").decode()
    return re.sub(r"[^ -~]", "?", shown if len(shown) <= 16 else shown[:15] + "~")
