"""Options and output that the commands share."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn

import typer

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="The run folder: a local path or a URL such as s3://bucket/run.")
]
InputsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...", help="Tars in Emilia's form, folders of audio, .jsonl files; paths, quoted globs or URLs."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for machines instead of text for people.")]
AddressOption = Annotated[
    str | None,
    typer.Option(help="The Ray cluster to use: auto, or HOST:PORT. Default: a Ray of its own on this machine."),
]


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
        stop("stopped. What was committed stays; the same command goes on from there", 130)
