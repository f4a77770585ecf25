"""What one expert said against what the other said, as a heat map that is a table."""

from manifests.html_page import section
from review_ui.agreement.report import Report
from review_ui.agreement_page.words import answer_name, share

_DEEPEST = (0x59, 0xA3, 0xCD)  # light enough for black text, on screen and on paper


def confusion_section(report: Report) -> str:
    """Rows are slot A, columns slot B, over all clips that both answered; gold items are apart."""
    found = report.confusion
    if not any(map(sum, found.counts)):
        return section("Where the experts differ", "<p>No clip has an answer of both experts yet.</p>", "confusion")
    names = [answer_name(code) for code in found.categories]
    head = "".join(f"<th scope=col>{name}</th>" for name in names)
    columns = [sum(row[k] for row in found.counts) for k in range(len(names))]
    lines = []
    for k, (name, row) in enumerate(zip(names, found.counts, strict=True)):
        cells = "".join(_cell(n, sum(row), same=i == k) for i, n in enumerate(row))
        lines.append(f"<tr><th scope=row>{name}</th>{cells}<td>{sum(row):,}</td></tr>")
    totals = "".join(f"<td>{n:,}</td>" for n in columns)
    text = (
        "<p>Rows: what A said; columns: what B said about the same clips. In each cell the number of clips and its share of the "
        "row; the darker, the larger the share. The diagonal, framed, is agreement.</p>"
    )
    return section(
        "Where the experts differ",
        f'{text}<div class="table"><table class="heat"><thead><tr><td>A ↓ B →</td>{head}<th scope=col>all</th></tr></thead>'
        f"<tbody>{''.join(lines)}<tr><th scope=row>all</th>{totals}<td>{sum(columns):,}</td></tr></tbody></table></div>",
        "confusion",
    )


def _cell(n: int, whole: int, *, same: bool) -> str:
    kind = " ".join(name for name, holds in (("same", same), ("nothing", not n)) if holds)
    attributes = f' class="{kind}"' if kind else ""
    if not n:
        return f"<td{attributes}>0</td>"
    red, green, blue = (round(255 - (255 - deepest) * n / whole) for deepest in _DEEPEST)
    return f'<td{attributes} style="background:rgb({red},{green},{blue})"><b>{n:,}</b>{_share(n, whole)}</td>'


def _share(n: int, whole: int) -> str:
    """A few clips of many are not 0%, and almost all are not 100%."""
    if n / whole < 0.005:
        return "&lt;1%"
    return "&gt;99%" if n < whole and n / whole >= 0.995 else share(n / whole)
