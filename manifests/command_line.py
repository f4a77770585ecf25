"""What the command lines of all rooms share: arguments, output, errors, and a bar for counted work."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="The run folder: a local path or a URL such as s3://bucket/run.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of text for people.")]


def print_json(value: Any) -> None:
    """One line of JSON on stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


def stop(message: str, code: int = 1) -> NoReturn:
    """End the command with a message on stderr."""
    sys.stderr.write(f"emotrove: {message}\n")
    raise typer.Exit(code)


@contextmanager
def clear_errors() -> Iterator[None]:
    """Turn the errors that emotrove raises on purpose into one message and exit code 1; an interrupt into 130."""
    from manifests.errors import EmotroveError

    try:
        yield
    except EmotroveError as error:
        stop(str(error))
    except Exception as error:
        duckdb = sys.modules.get("duckdb")
        if duckdb is None or not isinstance(error, duckdb.Error):
            raise
        stop(f"The rows of the run cannot be read: {error}\nSee what is damaged with: emotrove status RUN")
    except KeyboardInterrupt:
        stop("stopped. What was committed stays; to finish, run the same command again", 130)


@contextmanager
def bar(doing: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on stderr for work that is counted: call what it gives with the number done and the number in all."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(file=sys.stderr)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as shown:
        task = shown.add_task(doing, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)
