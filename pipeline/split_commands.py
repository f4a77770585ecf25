"""The command that splits a data set."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from manifests.command_line import JsonOption, bar, clear_errors, print_json

if TYPE_CHECKING:
    from manifests.split_report import SplitReport


def split(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE.jsonl", help="Rows of index, emotion, wav, text.", exists=True, dir_okay=False),
    ],
    out: Annotated[
        Path, typer.Argument(metavar="OUT", help="The folder for the parts; files of their names are replaced.")
    ],
    parts: Annotated[
        str, typer.Option("--split", metavar="TRAIN/VALIDATION/TEST", help="In per cent; a part may be 0.")
    ] = "80/10/10",
    seed: Annotated[int, typer.Option(help="Decides among groups of one size.")] = 0,
    by: Annotated[
        str,
        typer.Option("--split-by", metavar="KEYS", help="What keeps rows together. Leave text out for read speech."),
    ] = "source,speaker,text,audio",
    json: JsonOption = False,
) -> None:
    """Split a data set so that no source, speaker, text or audio is on two sides, with every class in each part.

    Examples:

        emotrove split Emo-Emilia-ALL.jsonl parts --split 80/10/10

        emotrove split acted.jsonl parts --split-by source,speaker,audio
    """
    with clear_errors():
        from manifests.groups import parse_keys
        from pipeline.split import split_file

        with bar("reading audio") as listen:
            found = split_file(file, out, parts, seed, by=parse_keys(by), listener=listen)
        if json:
            print_json(found.to_json())
            return
        from manifests.terminal import console, escape

        print_split(found.report)
        if found.audio_missing:
            console().print(
                f"audio not compared for {found.audio_missing:,} of {found.report.rows:,} rows: the files that wav names are not there"
            )
        console().print("written: " + ", ".join(escape(str(out / name)) for name in found.files.values()))


def print_split(report: "SplitReport") -> None:
    """Sizes asked for and got, classes, groups, duplicates, and warnings."""
    from rich.table import Table

    from manifests.terminal import console, escape

    shown = console()
    table = Table(box=None, pad_edge=False, collapse_padding=True)
    for name in ("language", "emotion"):
        table.add_column(name)
    for name in ("rows", *report.splits):
        table.add_column(name, justify="right")
    for one in report.classes:
        counts = (f"{one.got[name]:,}" for name in report.splits)
        table.add_row(escape(one.language or "?"), escape(one.emotion or "?"), f"{one.rows:,}", *counts)
    table.add_section()
    table.add_row("got", "", f"{report.rows:,}", *(f"{size.got:,}" for size in report.splits.values()))
    table.add_row("asked", "", "", *(f"{size.asked:,.0f}" for size in report.splits.values()))
    table.add_row("groups", "", f"{report.groups:,}", *(f"{size.groups:,}" for size in report.splits.values()))
    shown.print(table)
    shown.print(
        f"rows that stay together share {', '.join(report.by) or 'nothing'}; the largest group has {report.largest.rows:,} rows"
    )
    shown.print(
        f"same text: {len(report.same_text.groups):,} groups, {report.same_text.extra_rows:,} extra rows; near text: "
        f"{len(report.near_text):,} pairs; same audio: {len(report.same_audio.groups):,} groups, "
        f"{report.same_audio.extra_rows:,} extra rows"
    )
    for warning in report.warnings:
        shown.print(f"[yellow]warning:[/yellow] {escape(warning)}")
