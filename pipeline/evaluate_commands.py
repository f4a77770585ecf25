"""The commands that score emotions against known ones."""

import enum
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manifests.command_line import JsonOption, RunArgument, bar, clear_errors, print_json

if TYPE_CHECKING:
    from pipeline.evaluation import Evaluation


class Head(str, enum.Enum):
    """Kinds of head of a probe."""

    linear = "linear"
    mlp = "mlp"


class Features(str, enum.Enum):
    """Meanings of a clip's features; vectors of a clip are averaged."""

    mean = "mean"
    tokens = "tokens"
    first_frames = "first_frames"


class _RunUnlessNamed(typer.core.TyperGroup):
    """``evaluate RUN TRUTH`` is short for ``evaluate run RUN TRUTH``."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        return super().resolve_command(ctx, args if args[0] in self.commands else ["run", *args])

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        own = {name for option in self.get_params(ctx) for name in option.opts}
        if args and args[0].startswith("-") and args[0] not in own:
            args = ["run", *args]
        return super().parse_args(ctx, args)


app = typer.Typer(
    cls=_RunUnlessNamed,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    help="Score emotions against known ones: of a run, of an annotator, or of a probe on frozen features.",
    epilog="`emotrove evaluate RUN TRUTH` is short for `emotrove evaluate run RUN TRUTH`.",
)

InputsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="Labelled speech: Emilia tars or folders of audio with --truth, a curated run, a verified export, or JSONL with "
        "id, wav and emotion; paths, quoted globs or URLs.",
    ),
]
TruthOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE.jsonl",
        exists=True,
        dir_okay=False,
        help="JSONL with id and emotion, and where they are known speaker and fold.",
    ),
]
PageOption = Annotated[
    Path | None, typer.Option(metavar="OUT.html", help="Write one HTML page with plots, too; an older one is replaced.")
]


@app.callback()
def evaluate() -> None:
    pass


@app.command("run")
def run_(
    run: RunArgument,
    truth: Annotated[
        Path, typer.Argument(metavar="TRUTH", help="JSONL with id and emotion.", exists=True, dir_okay=False)
    ],
    voter: Annotated[str | None, typer.Option(help="Score this voter instead of the consensus.")] = None,
    page: PageOption = None,
    json: JsonOption = False,
) -> None:
    """Score the labels of a run: the consensus, or one voter.

    Examples:

        emotrove evaluate run runs/first truth.jsonl

        emotrove evaluate runs/first truth.jsonl --voter seed --page seed.html
    """
    with clear_errors():
        from manifests.run_folder import RunFolder
        from pipeline.evaluation.run import evaluate_run

        _show(evaluate_run(RunFolder(run), truth, voter), page, json)


@app.command()
def annotator(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The annotator, e.g. seed or sensevoice.")],
    inputs: InputsArgument,
    truth: TruthOption = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="An option of the annotator; the value is YAML. May be repeated."
        ),
    ] = None,
    page: PageOption = None,
    json: JsonOption = False,
) -> None:
    """Let an annotator vote on labelled speech in this process, and score its votes. No run folder is made.

    Examples:

        emotrove evaluate annotator seed 'ravdess/*.tar' --truth ravdess/truth.jsonl

        emotrove evaluate annotator seed my-release --set weights=my-weights --page seed.html
    """
    with clear_errors():
        from manifests.settings import merge, parse_setting
        from pipeline.evaluation.annotator import evaluate_annotator

        options = reduce(merge, map(parse_setting, settings or []), dict[str, Any]())
        with bar(f"{name}: clips") as progress:
            found = evaluate_annotator(name, inputs, truth, options, progress)
        _show(found, page, json)


@app.command()
def probe(
    inputs: InputsArgument,
    truth: TruthOption = None,
    model: Annotated[
        str | None,
        typer.Option(
            metavar="FOLDER|NAME|URL", help="A converted or trained Emotion2Vec-S, whose features are probed."
        ),
    ] = None,
    table: Annotated[
        str | None,
        typer.Option(metavar="ANNOTATOR", help="Instead: the features that this annotator wrote into the run INPUT."),
    ] = None,
    features: Annotated[
        Features | None, typer.Option(help="What of the network is probed.", show_default="mean")
    ] = None,
    head: Annotated[Head, typer.Option(help="A logistic regression, or one hidden layer.")] = Head.linear,
    seed: Annotated[int, typer.Option(min=0, help="Of the folds, where none are given, and of the head.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:1.")] = "auto",
    page: PageOption = None,
    json: JsonOption = False,
) -> None:
    """Train a small head on frozen features and test it on speakers it has not heard, fold by fold.

    Examples:

        emotrove evaluate probe --model my-model 'ravdess/*.tar' --truth ravdess/truth.jsonl

        emotrove evaluate probe --table emotion2vec_s runs/first --truth truth.jsonl --head mlp
    """
    with clear_errors():
        from pipeline.evaluation.probe import evaluate_probe

        found = evaluate_probe(
            inputs,
            truth,
            model=model,
            table=table,
            mode=features.value if features else None,
            head=head.value,
            seed=seed,
            device=device,
            bar=bar,
        )
        _show(found, page, json)


def _show(found: "Evaluation", page: Path | None, json: bool) -> None:
    if json:
        print_json(found.to_json())
    else:
        from pipeline.evaluation.terminal import print_evaluation

        print_evaluation(found)
    if page is not None:
        from pipeline.evaluation.page import write_page

        write_page(found, page)
        typer.echo(f"{page}: open it in a browser", err=json)
