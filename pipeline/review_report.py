"""What the commands around review and release print for people."""

from rich.table import Table

from manifests.emotions import CLASSES
from manifests.review import STATUSES
from manifests.terminal import console, escape
from pipeline.curation import Curation


def print_curation(found: Curation) -> None:
    """What became of the clips in review, and what to do next."""
    out = console()
    shares = ", ".join(f"{found.statuses[status]:,} {status}" for status in STATUSES)
    out.print(f"[bold]{found.clips:,}[/bold] clips in review: {shares}")
    table = _table("language", "status", *map(str, CLASSES), "all")
    for language, by_status in found.emotions.items():
        for settled in ("verified", "adjudicated"):
            if counts := by_status.get(settled):
                shown = (f"{counts.get(emotion, 0):,}" for emotion in CLASSES)
                table.add_row(escape(language), settled, *shown, f"{sum(counts.values()):,}")
    if table.row_count:
        out.print(table)
    parts = _table("language or arm", *STATUSES)
    for language, by_status in found.emotions.items():
        parts.add_row(escape(language), *(f"{sum(by_status.get(status, {}).values()):,}" for status in STATUSES))
    for arm, of_arm in found.arms.items():
        parts.add_row(escape(arm), *(f"{of_arm.get(status, 0):,}" for status in STATUSES))
    out.print(parts)
    for status, by_reason in found.reasons.items():
        out.print(f"{status}: " + ", ".join(f"{escape(reason)} {n:,}" for reason, n in by_reason.items()))
    for step in found.next:
        out.print(escape(step))


def _table(*names: str) -> Table:
    """A table without lines that fits 80 columns with all seven classes; what is counted is on the right."""
    table = Table(box=None, pad_edge=False, collapse_padding=True)
    for name in names:
        table.add_column(name, justify="left" if name in ("language", "status", "language or arm") else "right")
    return table
