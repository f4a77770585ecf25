"""The skeleton and the CSS of a page for people, and the small pieces of HTML that its sections are made of.

Whatever comes from data is escaped, and the page forbids scripts and the network to itself.
"""

import html
import re
from collections.abc import Sequence

from manifests.ids import printable

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""Lets a page load nothing and run nothing, even if an escape were missing somewhere."""

_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{css}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""
_CSS = """
:root { color-scheme: light; --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "Noto Sans CJK SC", "PingFang SC",
  "Microsoft YaHei", sans-serif; }
body { margin: 0; background: #fff; color: #1c1c1c; font: 16px/1.5 var(--sans); }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1.25rem 3rem; }
h1 { font-size: 1.75rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.25rem 0 .5rem; border-bottom: 1px solid #ddd; }
h3 { font-size: 1rem; margin: 0; }
p { margin: .4rem 0; }
.path, .facts, footer, figcaption { color: #5a5a5a; font-size: .85rem; overflow-wrap: anywhere; }
.notice { background: #fff7e0; border-left: 4px solid #e69f00; padding: .3rem .9rem; margin: 1rem 0; }
.warning { background: #fdeae2; border-left: 4px solid #d55e00; padding: .3rem .9rem; }
.cards { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .6rem; }
.card { border: 1px solid #ddd; border-radius: 6px; padding: .5rem .8rem; }
.card b { display: block; font-size: 1.5rem; line-height: 1.2; }
.card span { font-size: .85rem; color: #444; }
.card i { color: #6b6b6b; font-style: normal; }
figure { margin: .75rem 0; }
figure svg { display: block; width: 100%; height: auto; }
figure svg text { font-family: var(--sans) !important; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; margin: .5rem 0; }
th, td { text-align: left; padding: .2rem .9rem .2rem 0; border-bottom: 1px solid #e6e6e6; }
th { font-weight: 600; }
.n { text-align: right; }
footer { margin-top: 2.5rem; border-top: 1px solid #ddd; padding-top: .6rem; }
@media print {
  html { font-size: 9.5pt; }
  body { font-size: 9.5pt; }
  main { max-width: none; padding: 0; }
  .cards { grid-template-columns: repeat(6, 1fr); }
  h2, section > p { break-after: avoid; }
  figure, .card, tr { break-inside: avoid; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
"""
_NUMBER = re.compile(r"–|−?[\d.,]+(%| h| min| s)?")


class Html(str):
    """Text that is HTML already, and safe."""


def page(title: str, body: str, *, css: str = "", policy: str = POLICY) -> str:
    """The whole page.

    Parameters
    ----------
    title : text
    body : HTML
    css : what this page needs besides the shared CSS
    policy : its Content-Security-Policy
    """
    return _PAGE.format(title=escape(title), css=_CSS + css, body=body, policy=policy)


def escape(value: object) -> str:
    """Any text of the data as HTML text or the value of an attribute; ``Html`` as it is."""
    if isinstance(value, Html):
        return value
    return html.escape(
        re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", "\ufffd", printable(str("" if value is None else value)))
    )


def language_name(name: str | None) -> str:
    return name or "unknown"


def percent(part: int, whole: int) -> str:
    """The share as ``12.3%``; nothing where there is no whole."""
    return f"{part / whole:.1%}" if whole else ""


def section(title: str, body: str, anchor: str | None = None) -> str:
    """A section under a heading; ``anchor`` is the id to which the page's own links lead."""
    named = f' id="{escape(anchor)}"' if anchor else ""
    return f"<section{named}><h2>{escape(title)}</h2>{body}</section>"


def card(value: object, name: str, beside: str = "", kind: str = "") -> str:
    """A figure to be seen at once: what it is stands below it; ``kind`` is a class for the CSS."""
    return f'<div class="card {escape(kind)}"><b>{escape(value)}</b><span>{escape(name)} <i>{escape(beside)}</i></span></div>'


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; columns of numbers stand to the right."""
    shown = [[f"{value:,}" if isinstance(value, int) else escape(value) for value in row] for row in rows]
    numeric = [all(_NUMBER.fullmatch(row[i]) for row in shown) for i in range(len(head))]
    top = "".join(
        f"<th scope=col{' class=n' if right else ''}>{escape(name)}</th>"
        for name, right in zip(head, numeric, strict=True)
    )
    lines = (
        "".join(f"<td{' class=n' if right else ''}>{value}</td>" for value, right in zip(row, numeric, strict=True))
        for row in shown
    )
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="table"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'
