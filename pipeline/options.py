"""Arguments and options that only the commands of this room have."""

from typing import Annotated

import typer

from manifests.command_line import stop

InputsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...", help="Tars in Emilia's form, folders of audio, .jsonl files; paths, quoted globs or URLs."
    ),
]
AddressOption = Annotated[
    str | None,
    typer.Option(help="The Ray cluster to use: auto, or HOST:PORT. Default: a Ray of its own on this machine."),
]
LanguagesOption = Annotated[str | None, typer.Option("--languages", help="Only these languages, e.g. en,zh.")]


def chosen_languages(text: str | None) -> list[str] | None:
    """The codes that ``--languages`` names, in lower case; None where it was not given. Stops the command where it names none."""
    if text is None:
        return None
    codes = [code.strip().lower() for code in text.split(",") if code.strip()]
    return codes or stop("--languages names no language: give codes such as en,zh", 2)
