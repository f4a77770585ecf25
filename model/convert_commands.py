"""Conversion of released checkpoints."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from manifests.command_line import JsonOption, bar, clear_errors, print_json

if TYPE_CHECKING:
    from model.emotion2vec_s.configuration import Emotion2VecSConfig
    from model.emotion2vec_s.released.card import Conversion

app = typer.Typer(no_args_is_help=True, help="Convert released checkpoints into the form that emotrove loads.")


@app.callback()
def convert() -> None:
    """Convert released checkpoints into the form that emotrove loads."""


@app.command("emotion2vec-s")
def emotion2vec_s(
    checkpoint: Annotated[
        str,
        typer.Argument(
            metavar="CHECKPOINT",
            help="A fairseq checkpoint, or FunASR's model.pt; the file or the folder it is in. Or a checkpoint of one's own training.",
        ),
    ],
    out: Annotated[str, typer.Argument(metavar="OUT", help="Folder for the converted model; new, or empty.")],
    config: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="Configuration in YAML, in the form of fairseq or FunASR, in place of the one in CHECKPOINT.",
        ),
    ] = None,
    normalize: Annotated[
        bool | None,
        typer.Option(
            "--normalize/--no-normalize",
            help="Whether a clip is brought to mean 0 and variance 1 first.  [default: as the configuration says]",
            show_default=False,
        ),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Convert a released Emotion2Vec-S, emotion2vec or emotion2vec+, or a checkpoint that train emotion2vec-s wrote.

    Reads the file without fairseq or FunASR and runs nothing that is in it. Every key must be there, with its shape.

    Examples:

        emotrove convert emotion2vec-s checkpoint.pt emotion2vec-s --no-normalize

        emotrove convert emotion2vec-s e2v/checkpoints/step-00060000.pt e2v-60000
    """
    with clear_errors():
        from manifests.errors import InputError
        from manifests.storage import is_url, local_path
        from model.emotion2vec_s.released.conversion import convert
        from model.emotion2vec_s.training.export import export_checkpoint
        from model.emotion2vec_s.training.folder import TrainingFolder

        for place in (checkpoint, out):
            if is_url(place):
                raise InputError(f"{place} is in an object store: convert on a local disk, and copy the folder there")
        if (training := TrainingFolder.of_checkpoint(local_path(checkpoint))) is not None:
            if config is not None or normalize is not None:
                raise InputError(
                    f"{checkpoint} is a checkpoint of a training, which knows its network: leave out --config and --normalize"
                )
            folder, step = training
            student = export_checkpoint(folder, step, local_path(out))
            parameters = sum(weight.numel() for weight in student.parameters())
            if json:
                print_json({"out": out, "step": step, "parameters": parameters, "config": _config(student.config)})
            else:
                typer.echo(f"Wrote the network of step {step:,}, {parameters:,} parameters, into {out}.")
            return
        with bar("Reading, MB") as show:
            done = convert(
                local_path(checkpoint), local_path(out), config_file=config, normalize=normalize, on_progress=show
            )
        if json:
            print_json(_record(done, out))
        else:
            _print(done, out, normalize)


def _record(done: "Conversion", out: str) -> dict[str, Any]:
    return {
        "out": out,
        "source_sha256": done.source_sha256,
        "parameters": done.parameters,
        "config": _config(done.config),
        "left_out": {reason: list(names) for reason, names in done.left_out.items()},
        "assumed": done.assumed,
    }


def _config(config: "Emotion2VecSConfig") -> dict[str, Any]:
    return {name: value for name, value in config.to_diff_dict().items() if name != "transformers_version"}


def _print(done: "Conversion", out: str, normalize: bool | None) -> None:
    from manifests.terminal import console, escape
    from model.emotion2vec_s.released.card import left_out_lines, network_line

    lines = [
        f"Converted {done.parameters:,} parameters into {out}.",
        f"Network: {network_line(done.config)}.",
        f"Head: {len(done.config.labels)} classes: {', '.join(done.config.labels)}."
        if done.config.labels
        else "Head: none.",
        f"Clips are {'' if done.config.normalize else 'not '}normalised first.",
        *(f"Left out: {line}." for line in left_out_lines(done)),
        *(f"Assumed: {line}." for line in done.assumed),
    ]
    if normalize is None and done.config.normalize and not done.config.labels:
        lines.append(
            "The configuration asks for normalised clips, as emotion2vec does. The script released with Emotion2Vec-S does not "
            "normalise: for the features that the released C2SER was fed, convert with --no-normalize."
        )
    for line in lines:
        console().print(escape(line))
