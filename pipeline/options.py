"""Arguments that only the commands of this room have."""

from typing import Annotated

import typer

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
