"""The commands of this room: review in Label Studio."""

import typer

app = typer.Typer(no_args_is_help=True, help="Have two experts verify clips in Label Studio.")


@app.callback()
def review() -> None:
    """Have two experts verify clips in Label Studio.

    The token comes from the environment: EMOTROVE_LABEL_STUDIO_TOKEN, or one for each slot with _A, _B or _ADJUDICATION
    behind it.
    """
