"""What the commands around curation and release print for people."""

from pathlib import Path
from typing import Any

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


def print_release(release: dict[str, Any], out: Path) -> None:
    """What a release of verified data holds, and what it lacks."""
    shown = console()
    table = _table("language", *map(str, CLASSES), "all")
    for language, counts in release["counts"].items():
        figures = (f"{counts.get(emotion, 0):,}" for emotion in CLASSES)
        table.add_row(escape(language), *figures, f"{sum(counts.values()):,}")
    shown.print(table)
    for language, short in release["short"].items():
        missing = ", ".join(f"{emotion} {n:,}" for emotion, n in short.items())
        shown.print(f"[yellow]short in {escape(language)}:[/yellow] {missing}. Nothing was filled up.")
    said = ", ".join(f"{n:,} {status}" for status, n in release["statuses"].items())
    shown.print(
        f"[bold]{release['clips']:,}[/bold] clips ({said}), {release['duration_s']['total'] / 3600:.2f} h, answers of "
        f"{release['people']} people"
    )
    shown.print("licences: " + ", ".join(f"{escape(name)} {n:,}" for name, n in release["licenses"].items()))
    if "splits" in release:
        said = ", ".join(f"{name} {size['got']:,}" for name, size in release["splits"].items())
        shown.print(f"splits: {said}; no {' or '.join(release['split_by'])} is in two of them")
        for warning in release["split_warnings"]:
            shown.print(f"[yellow]{escape(warning)}[/yellow]")
    removed = ", ".join(f"{why.replace('_', ' ')} {n:,}" for why, n in release["removed"].items())
    shown.print(f"kept out by a list: {removed}")
    shown.print(f"written to {escape(str(out))}; its README.md says what is in it")


def _table(*names: str) -> Table:
    """A table without lines that fits 80 columns with all seven classes; what is counted is on the right."""
    table = Table(box=None, pad_edge=False, collapse_padding=True)
    for name in names:
        table.add_column(name, justify="left" if name in ("language", "status", "language or arm") else "right")
    return table
