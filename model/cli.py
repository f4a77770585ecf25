"""Training commands."""

import typer

app = typer.Typer(no_args_is_help=True, help="Train the models.")


@app.callback()
def train() -> None:
    """Train the models of emotrove."""
