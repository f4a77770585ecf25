"""``emotrove train emotion2vec-s``."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manifests.command_line import JsonOption, bar, clear_errors, print_json

if TYPE_CHECKING:
    from model.emotion2vec_s.training.job import Finished
    from model.emotion2vec_s.training.loop import OnRecord, StepRecord

TELL_EVERY_S = 5.0


def emotion2vec_s(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Emilia tars, folders of audio, run folders, exported data sets, JSONL lists; paths, URLs or quoted globs.",
        ),
    ],
    out: Annotated[str, typer.Option(help="Folder of the training; all workers must see it.")],
    config: Annotated[
        str | None, typer.Option("--config", metavar="FILE.yaml", help="What differs from the paper's values.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="One value of the configuration, e.g. optimizer.learning_rate=1e-4."
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(help="Weights to start from: a converted folder, a hub name or a URL. Without: random weights."),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="JSONL with id and emotion: which clips are labelled."),
    ] = None,
    machine_labels: Annotated[
        bool, typer.Option("--machine-labels", help="Of runs, take the voters' emotion where no expert gave one.")
    ] = False,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="FILE", help="Ids and sources to keep out, such as those of a test set.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that share each batch, on Ray if more than one.")] = 1,
    gpus: Annotated[bool, typer.Option("--gpus", help="Each worker takes a GPU.")] = False,
    address: Annotated[str | None, typer.Option(help="A Ray cluster to train on, e.g. auto.")] = None,
    print_config: Annotated[bool, typer.Option("--print-config", help="Print all values, and train nothing.")] = False,
    json: JsonOption = False,
) -> None:
    """Train Emotion2Vec-S on labelled and unlabelled speech.

    Stop it, kill it: the same command goes on where it was. OUT/model is the network when it is done.

    Example:

        emotrove train emotion2vec-s 'emilia/EN-*.tar' --truth labels.jsonl --out e2v --init emotion2vec-base --gpus --workers 4
    """
    with clear_errors():
        from model.emotion2vec_s.training.configuration import load_config

        chosen = load_config(config, settings or [], init)
        if print_config:
            import yaml

            values = chosen.all_values()
            if json:
                print_json(values)
            else:
                typer.echo(
                    yaml.safe_dump(values, sort_keys=False, default_flow_style=None, allow_unicode=True), nl=False
                )
            return

        from model.emotion2vec_s.training.folder import TrainingFolder
        from model.emotion2vec_s.training.job import summary, train
        from model.emotion2vec_s.training.logs import check_logs
        from model.emotion2vec_s.training.placement import Where
        from model.emotion2vec_s.training.training_set import make_training_set
        from model.speech import read_speech

        def note(text: str) -> None:
            if not json:
                typer.echo(text, err=True)

        check_logs(chosen)
        folder = TrainingFolder(out)
        with bar("reading the input") as progress:
            speech = read_speech(inputs, truth, machine_labels=machine_labels, exclude=exclude or [], progress=progress)
        with bar("measuring clips") as progress:
            data = make_training_set(speech, inputs, chosen, progress)
        for line in summary(data, chosen):
            note(line)
        with _telling(chosen.steps, json) as on_record:
            finished = train(chosen, data, folder, Where(workers, gpus, address), on_record=on_record, on_note=note)
        if json:
            print_json({"event": "end", **finished.to_json()})
        else:
            typer.echo(_text(finished))


@contextmanager
def _telling(steps: int, json: bool) -> "Iterator[OnRecord]":
    """Shows records: a line that is kept up to date on a terminal, otherwise a line or an object every few seconds."""
    from rich.console import Console
    from rich.live import Live

    console = Console(file=sys.stderr)
    began, first, told_at = time.monotonic(), None, 0.0
    line = ""

    def left(record: "StepRecord") -> str:
        if first is None or record.step == first:
            return "?"
        seconds = round((time.monotonic() - began) / (record.step - first) * (steps - record.step))
        return f"{seconds // 3600}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"

    def tell(record: "StepRecord") -> None:
        nonlocal first, began, told_at, line
        line = f"step {record.step:,} of {steps:,} · {record} · {left(record)} left"
        if first is None:
            first, began = record.step, time.monotonic()
        if console.is_terminal and not json:
            return
        if record.step == steps or time.monotonic() - told_at >= TELL_EVERY_S:
            told_at = time.monotonic()
            if json:
                print_json({"event": "step", "steps": steps, **_figures(record)})
            else:
                console.print(line, highlight=False, soft_wrap=True, markup=False)

    if console.is_terminal and not json:
        with Live(console=console, refresh_per_second=4, transient=True, get_renderable=lambda: line):
            yield tell
    else:
        yield tell


def _figures(record: "StepRecord") -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(record)


def _text(finished: "Finished") -> str:
    last = finished.last
    return (
        f"Trained {finished.steps:,} steps, {last.audio_h:,.2f} h of audio. Last losses: frame {last.loss_frame:.4g}, utterance "
        f"{last.loss_utterance:.4g}, category {last.loss_category:.4g}.\n"
        f"The network is in {finished.model}, all figures in {finished.metrics}.\n"
        f"What it can do: emotrove evaluate probe --model {finished.model} ..."
    )
