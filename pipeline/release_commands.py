"""The commands of this room that come after review: what is verified, and data sets for others."""

import enum
from pathlib import Path
from typing import Annotated

import typer

from manifests.command_line import JsonOption, RunArgument, bar, clear_errors, print_json, stop
from pipeline.options import LanguagesOption, chosen_languages


def curate(run: RunArgument, json: JsonOption = False) -> None:
    """Work out what is verified from the answers pulled so far, and say what to do next.

    The same answers always give the same file, so it may be run as often as you like.

    Example:

        emotrove curate runs/first
    """
    with clear_errors():
        from manifests.run_folder import RunFolder
        from pipeline.curation import curate_run
        from pipeline.release_report import print_curation

        found = curate_run(RunFolder(run))
        if json:
            print_json(found.to_json())
        else:
            print_curation(found)


class ExportFormat(str, enum.Enum):
    """How the table of machine labels is written."""

    jsonl = "jsonl"
    parquet = "parquet"


def export(
    run: RunArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new folder for the data set.")],
    verified: Annotated[
        bool, typer.Option("--verified", help="Release what experts have verified, instead of machine labels.")
    ] = False,
    per_class: Annotated[
        int | None,
        typer.Option(
            min=1, help="At most N clips for each language and emotion; a class that has fewer is not filled up."
        ),
    ] = None,
    languages: LanguagesOption = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Ids and sources to keep out, such as a test set. Repeatable."),
    ] = None,
    takedown: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Ids and sources to take down, besides RUN/takedown.txt. Repeatable."),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="With --verified: of the data set; that of OUT if not given.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="TRAIN/VALIDATION/TEST",
            help="With --verified: e.g. 80/10/10; no source, speaker, text or audio is in two of them.",
        ),
    ] = None,
    split_by: Annotated[
        str | None,
        typer.Option(
            metavar="KEYS",
            help="With --split: what keeps clips together; source,speaker,text,audio if not given. Leave text out for read speech.",
        ),
    ] = None,
    about: Annotated[
        str | None,
        typer.Option(metavar="FILE.yaml", help="With --verified: title, description, creators, citation, contact, …"),
    ] = None,
    allow_mixed_licenses: Annotated[
        bool,
        typer.Option("--allow-mixed-licenses", help="With --verified: release clips of several or unknown licences."),
    ] = False,
    seed: Annotated[int | None, typer.Option(help="With --verified: decides among equals; 0 if not given.")] = None,
    format: Annotated[
        ExportFormat | None, typer.Option(help="Of the table of machine labels; jsonl if not given.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Export a data set in EMO-Emilia's form: machine labels, or with --verified what experts agreed on.

    Examples:

        emotrove export runs/first out --per-class 100

        emotrove export runs/first emo-v1 --verified --per-class 100 --split 80/10/10 --exclude test.jsonl
    """
    wanted = chosen_languages(languages)
    with clear_errors():
        from manifests.run_folder import RunFolder

        if split_by and not split:
            stop("--split-by says how to split, so give --split too, such as --split 80/10/10", 2)
        if verified:
            from manifests.groups import KEYS, parse_keys
            from pipeline.release.about import About, read_about
            from pipeline.release.verified import Wanted, release_verified
            from pipeline.release_report import print_release

            if format is not None:
                stop("--format is for machine labels; a verified release is JSONL, as EMO-Emilia is published", 2)
            asked = Wanted(
                name=name or out.absolute().name,
                per_class=per_class,
                languages=tuple(wanted) if wanted else None,
                exclude=tuple(exclude or ()),
                takedown=tuple(takedown or ()),
                split=split,
                split_by=parse_keys(split_by) if split_by else KEYS,
                allow_mixed_licenses=allow_mixed_licenses,
                seed=seed or 0,
                about=read_about(about) if about else About(),
            )
            with bar("writing audio") as listen:
                release = release_verified(RunFolder(run), out, asked, listen)
            if json:
                print_json({"out": str(out), **release})
            else:
                print_release(release, out)
            return
        given = {
            "--name": name,
            "--split": split,
            "--split-by": split_by,
            "--about": about,
            "--allow-mixed-licenses": allow_mixed_licenses or None,
            "--seed": seed,
        }
        only_verified = [option for option, value in given.items() if value is not None]
        if only_verified:
            stop(f"{' and '.join(only_verified)} can be given with --verified alone", 2)
        from pipeline.export import export as write
        from pipeline.report import print_export

        with bar("writing audio") as listen:
            found = write(
                RunFolder(run),
                out,
                per_class=per_class,
                languages=wanted,
                exclude=exclude or (),
                takedown=takedown or (),
                table_format=format.value if format else "jsonl",
                listener=listen,
            )
        if json:
            print_json(found.to_json())
        else:
            print_export(found)
