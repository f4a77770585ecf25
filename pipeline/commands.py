"""The commands of this room."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from manifests.command_line import JsonOption, RunArgument, bar, clear_errors, print_json, stop
from pipeline.options import AddressOption, InputsArgument

if TYPE_CHECKING:
    from pipeline.label import Progress


def label(
    inputs: InputsArgument,
    run: RunArgument,
    profile: Annotated[
        str, typer.Option(help="What to run: embedded, cpu or gpu, or your own YAML file.", metavar="NAME|FILE.yaml")
    ] = "embedded",
    address: AddressOption = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take only the first N utterances of the input.")] = None,
    json: JsonOption = False,
) -> None:
    """Label speech: one row for every utterance of the input.

    Run the same command again after a kill or a crash: it goes on where it stopped.

    Examples:

        emotrove label 'data/EN-*.tar' runs/first

        emotrove label s3://bucket/emilia/ s3://bucket/run --profile my.yaml --address auto
    """
    with clear_errors():
        from manifests.run_folder import RunFolder
        from pipeline.config import load_config
        from pipeline.label import label as run_label
        from pipeline.progress import listener

        config = load_config(profile)
        with listener(json) as listen:
            result = run_label(inputs, RunFolder(run), config, profile, address=address, limit=limit, listener=listen)
        _finish(result, run, json)


def failures(
    run: RunArgument,
    retry: Annotated[
        bool, typer.Option("--retry", help="Try the failed utterances and unreadable shards again.")
    ] = False,
    limit: Annotated[int | None, typer.Option(min=1, help="List only the first N.")] = None,
    address: AddressOption = None,
    json: JsonOption = False,
) -> None:
    """List the utterances that failed, with stage and error, or try them again.

    Examples:

        emotrove failures runs/first

        emotrove failures runs/first --retry
    """
    with clear_errors():
        from manifests.run_folder import RunFolder

        folder = RunFolder(run)
        if retry:
            from pipeline.label import retry as run_retry
            from pipeline.progress import listener

            with listener(json) as listen:
                result = run_retry(folder, address=address, listener=listen)
            _finish(result, run, json)
            return
        from pipeline.report import print_failures
        from pipeline.status import failures as list_failures

        if json:
            for row in list_failures(folder, limit):
                print_json(row)
        else:
            print_failures(folder, list_failures(folder, limit))


def _finish(result: "Progress", run: str, json: bool) -> None:
    from dataclasses import asdict

    from pipeline.report import print_progress

    if json:
        print_json({"event": "end", **asdict(result)})
    else:
        print_progress(result, run)
    if result.unreadable:
        said = list(result.unreadable.values())
        more = f"; … and {len(said) - 10} more" if len(said) > 10 else ""
        stop(f"{len(said)} of {result.shards_total} shards could not be read: {'; '.join(said[:10])}{more}")


def status(run: RunArgument, json: JsonOption = False) -> None:
    """Account for a run: shards, rows, outcomes, and whether everything adds up.

    The exit code is 0 when every shard is done and reconciles, else 1.

    Example:

        emotrove status runs/first
    """
    with clear_errors():
        from manifests.run_folder import RunFolder
        from pipeline.report import print_status
        from pipeline.status import status as account

        found = account(RunFolder(run))
        if json:
            print_json(found.to_json())
        else:
            print_status(found)
        if not found.complete:
            raise typer.Exit(1)


def inspect(inputs: InputsArgument, json: JsonOption = False) -> None:
    """Say what an input holds (shards, clips, hours, languages) and what is wrong with it, without decoding.

    Examples:

        emotrove inspect 'data/*.tar'

        emotrove inspect s3://bucket/emilia/ --json
    """
    with clear_errors():
        from pipeline.inspect import inspect as look
        from pipeline.report import print_inspection

        with bar("reading headers") as listen:
            found = look(inputs, listen)
        if json:
            print_json(found.to_json())
        else:
            print_inspection(found)


def page(
    run: RunArgument,
    out: Annotated[Path, typer.Argument(metavar="OUT.html", help="The page to write; an older one is replaced.")],
) -> None:
    """Write a run as one HTML page: figures, plots, and a few clips to listen to. It needs no other file and no network.

    Example:

        emotrove page runs/first first.html
    """
    with clear_errors():
        from manifests.run_folder import RunFolder
        from pipeline.page import write_page

        write_page(RunFolder(run), out)
        typer.echo(f"{out}: open it in a browser")


def demo(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A folder for what the demo makes.")] = Path("demo-out"),
) -> None:
    """Label a small shard that comes with emotrove, and show what there is: table, page and export.

    Example:

        emotrove demo demo-out
    """
    with clear_errors():
        from pipeline.demo import demo as show

        show(out)
