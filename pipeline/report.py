"""What the commands print for people."""

from collections.abc import Iterable
from typing import Any

from rich.table import Table

from manifests.run_folder import RunFolder
from manifests.terminal import console as _console
from manifests.terminal import escape
from pipeline.export import Export
from pipeline.inspect import Inspection
from pipeline.label import Progress
from pipeline.status import Status


def _duration(seconds: float) -> str:
    whole = round(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def print_progress(progress: Progress, run: str) -> None:
    """The last words of a labelling job."""
    console = _console()
    console.print(
        f"[bold]{progress.rows:,}[/bold] clips ({progress.audio_s / 3600:.2f} h) in {_duration(progress.elapsed_s)}: "
        f"{progress.labeled:,} labeled, {progress.rejected:,} rejected, {progress.failed:,} failed. "
        f"{progress.shards_done} of {progress.shards_total} shards done"
        + (f" ({progress.shards_skipped} were done before)." if progress.shards_skipped else ".")
    )
    if progress.duplicates:
        console.print(
            f"{progress.duplicates:,} clips have an id that an earlier shard has used; they do not count downstream."
        )
    if progress.failed:
        console.print(f"What failed: emotrove failures {escape(run)}")
    console.print(f"The account: emotrove status {escape(run)}")


def print_status(status: Status) -> None:
    """The account of a run."""
    console = _console()
    console.print(
        f"[bold]{escape(status.run)}[/bold]" + (" (a job is at work on it now)" if status.working_now else "")
    )
    waiting = [
        f"{count} {text}"
        for count, text in (
            (status.in_progress, "begun"),
            (status.not_started, "not begun"),
            (len(status.unreadable), "unreadable"),
        )
        if count
    ]
    console.print(f"{status.done} of {status.shards} shards done" + (f"; {', '.join(waiting)}" if waiting else ""))
    table = Table(box=None, pad_edge=False)
    for name in ("rows in", "labeled", "rejected", "failed", "hours of audio"):
        table.add_column(name, justify="right")
    figures = (status.rows, status.labeled, status.rejected, status.failed)
    table.add_row(*(f"{n:,}" for n in figures), f"{status.audio_hours:,.2f}")
    console.print(table)
    if status.emotions:
        total = sum(status.emotions.values())
        console.print(
            "emotions: " + ", ".join(f"{name} {n:,} ({n / total:.0%})" for name, n in status.emotions.items())
        )
    for name, rows in status.features.items():
        console.print(f"features of {escape(name)}: {rows:,}")
    for row in status.reasons:
        console.print(f"{row['outcome']} in {row['stage']}: {row['reason']}: {row['count']:,}")
    if status.duplicates:
        console.print(
            f"{status.duplicates:,} clips have an id that an earlier shard has used; they do not count downstream"
        )
    for name, text in [*status.notes.items(), *status.unreadable.items()]:
        console.print(f"{escape(name)}: {escape(text)}")
    for line in status.unreconciled:
        console.print(f"[red]does not reconcile:[/red] {escape(line)}")
    if not status.unreconciled:
        console.print("[green]Every finished shard reconciles:[/green] rows in = labeled + rejected + failed.")


def print_failures(run: RunFolder, rows: Iterable[dict[str, Any]]) -> None:
    """One line for each failed utterance."""
    console = _console()
    count = 0
    for row in rows:
        count += 1
        console.print(
            f"[bold]{escape(row['utterance_id'])}[/bold]  {row['stage']}: {row['reason']}: {escape(row['detail'] or '')}"
        )
    for shard, error in run.unreadable().items():
        console.print(f"[bold]{escape(shard)}[/bold]  the whole shard: {escape(error)}")
        count += 1
    console.print(
        f"{count:,} failed. Try them again: emotrove failures {escape(str(run))} --retry"
        if count
        else "Nothing failed."
    )


def print_inspection(found: Inspection) -> None:
    """What an input holds."""
    console = _console()
    hours = f"{found.hours:,.2f} h" if found.hours else "hours not stated"
    if found.hours and found.without_duration:
        hours += f" (and {found.without_duration:,} clips that state no duration)"
    console.print(
        f"[bold]{found.shards:,}[/bold] shards, {found.bytes / 1e6:,.1f} MB, [bold]{found.utterances:,}[/bold] clips, "
        f"{hours}, {found.sources:,} sources"
    )
    console.print("languages: " + (", ".join(f"{escape(k)} {n:,}" for k, n in found.languages.items()) or "none"))
    console.print("formats: " + (", ".join(f"{escape(k)} {n:,}" for k, n in found.formats.items()) or "none"))
    if found.problems:
        console.print("[yellow]problems:[/yellow] " + ", ".join(f"{k} {n:,}" for k, n in found.problems.items()))
        for line in found.examples:
            console.print(f"  {escape(line)}")
    else:
        console.print("[green]No problem found[/green] in the headers and the JSON; the audio was not decoded.")


def print_export(found: Export) -> None:
    """What an export holds."""
    console = _console()
    table = Table(box=None, pad_edge=False)
    emotions = sorted({emotion for by_emotion in found.counts.values() for emotion in by_emotion})
    table.add_column("language")
    for emotion in emotions:
        table.add_column(emotion, justify="right")
    for language, by_emotion in found.counts.items():
        table.add_row(escape(language), *(f"{by_emotion.get(emotion, 0):,}" for emotion in emotions))
    console.print(table)
    for language, short in found.short.items():
        console.print(f"short in {escape(language)}: " + ", ".join(f"{emotion} {n:,}" for emotion, n in short.items()))
    console.print(f"[bold]{found.clips:,}[/bold] clips in {escape(found.out)}")
    console.print(f"[yellow]{found.notice}[/yellow]")
