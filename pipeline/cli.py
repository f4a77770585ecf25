"""The root of the command line. Each room adds its own commands; heavy imports happen inside them."""

from typing import Annotated

import typer

from model.cli import app as train_app
from model.convert_commands import app as convert_app
from pipeline import commands, evaluate_commands, release_commands, route_command, split_commands
from review_ui.cli import app as review_app

app = typer.Typer(
    name="emotrove",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Emotion data for speech at scale: label with machines, verify with experts, release, retrain.",
    epilog="Start with `emotrove demo`, then `emotrove label 'data/*.tar' runs/first`.",
)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"emotrove {version('emotrove')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


for command in (
    commands.demo,
    commands.inspect,
    commands.label,
    commands.status,
    commands.failures,
    route_command.route,
    release_commands.curate,
    release_commands.export,
    split_commands.split,
    commands.page,
):
    app.command()(command)
app.add_typer(evaluate_commands.app, name="evaluate")
app.add_typer(review_app, name="review")
app.add_typer(train_app, name="train")
app.add_typer(convert_app, name="convert")


def main() -> None:
    """Entry point of the ``emotrove`` command."""
    app()


if __name__ == "__main__":
    main()
