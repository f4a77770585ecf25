"""Training commands."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from model.train_emotion2vec_s import emotion2vec_s

if TYPE_CHECKING:
    from model.seed.train import SeedReport

app = typer.Typer(no_args_is_help=True, help="Train the models.")


@app.callback()
def train() -> None:
    """Train the models of emotrove."""


app.command("emotion2vec-s")(emotion2vec_s)


@app.command()
def seed(
    shards: Annotated[
        list[str], typer.Argument(metavar="TAR...", help="Labelled shards in Emilia's form; paths or quoted globs.")
    ],
    truth: Annotated[
        Path,
        typer.Option(
            exists=True, dir_okay=False, help="JSONL with id and emotion, and emobox_test_fold to cross-validate."
        ),
    ],
    out: Annotated[Path, typer.Option(file_okay=False, help="Folder for the weights.")],
    cross_validate: Annotated[
        bool, typer.Option("--cross-validate", help="First train once per fold, and report on speakers not heard.")
    ] = False,
    epochs: Annotated[int, typer.Option(min=1)] = 50,
    seed: Annotated[int, typer.Option(min=0, help="Of every random choice.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Train the seed voter, the small network that comes with emotrove.

    Example:

        emotrove train seed 'ravdess/*.tar' --truth ravdess/truth.jsonl --out seed-weights --cross-validate
    """
    import glob
    import sys

    from manifests.errors import EmotroveError, InputError
    from model.seed.train import train_seed

    try:
        paths = sorted({match for spec in shards for match in glob.glob(spec)})  # noqa: PTH207  a pattern may be absolute
        if not paths:
            raise InputError(f"No such shard: {', '.join(shards)}")
        report = train_seed(
            paths,
            str(truth),
            out,
            epochs=epochs,
            seed=seed,
            cross_validate=cross_validate,
            on_progress=lambda text: typer.echo(text, err=True),
        )
    except EmotroveError as error:
        typer.echo(f"emotrove: {error}", err=True)
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        sys.stderr.write("emotrove: stopped; nothing was written\n")
        raise typer.Exit(130) from None
    typer.echo(report.to_json() if json else _text(report, out))


def _text(report: "SeedReport", out: Path) -> str:
    lines = [f"Trained on {report.clips:,} clips in {report.duration_s:.0f} s; weights and report.json are in {out}."]
    figures = report.cross_validation
    if figures is None:
        return "\n".join([*lines, "Nothing is known about speakers it has not heard: --cross-validate tells."])
    folds = ", ".join(f"{fold}: {uar:.3f}" for fold, uar in figures.uar_by_fold.items())
    recalls = ", ".join(f"{emotion} {recall:.2f}" for emotion, recall in figures.recalls.items())
    lines += [
        f"Cross-validated, on speakers not heard: UAR {figures.uar:.4f} (mean of the folds; {folds}),",
        f"accuracy {figures.accuracy:.4f}, macro-F1 {figures.macro_f1:.4f}; recalls: {recalls};",
        f"calibration error {figures.ece:.3f} before and {figures.ece_calibrated:.3f} after temperature {figures.temperature:.3f}.",
    ]
    return "\n".join(lines)
