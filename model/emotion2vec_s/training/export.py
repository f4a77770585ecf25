"""A trained network as others use it: a folder with its weights and a card."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError
from transformers.utils.logging import disable_progress_bar, enable_progress_bar

from manifests.card import plain
from manifests.errors import RunFolderError, StorageError
from model.emotion2vec_s.configuration import Emotion2VecSConfig
from model.emotion2vec_s.pretraining import Emotion2VecSForPreTraining
from model.emotion2vec_s.released.card import network_line
from model.emotion2vec_s.released.conversion import check_free
from model.emotion2vec_s.training.configuration import TrainingConfig
from model.emotion2vec_s.training.folder import DESCRIPTION, TrainingFolder

MODEL = "model"


def export_model(student: Emotion2VecSForPreTraining, folder: TrainingFolder, step: int, place: Path) -> None:
    """Write a network of a training in place of what is there; ``load_emotion2vec_s`` takes the folder as it is.

    Parameters
    ----------
    step : updates that it has had

    Raises
    ------
    StorageError : it cannot be written
    RunFolderError : the description of the training is gone or damaged
    """
    card = _card(student, folder, step)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".tmp-model-") as made:
            disable_progress_bar()  # of one file that takes a second
            student.save_pretrained(Path(made, MODEL))
            enable_progress_bar()
            shutil.copymode(
                Path(made, MODEL, "config.json"), Path(made, MODEL, "model.safetensors")
            )  # which only its maker could read
            Path(made, MODEL, "README.md").write_text(card, "utf-8")
            if place.exists():
                place.rename(Path(made, "replaced"))
            Path(made, MODEL).rename(place)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise StorageError(
            f"Could not write {place}: {reason}. Free some space or mend what is in the way, and run the command again"
        ) from error


def export_checkpoint(folder: TrainingFolder, step: int, out: Path) -> Emotion2VecSForPreTraining:
    """Write the network of a checkpoint, for a training that was ended before its time.

    Parameters
    ----------
    out : must not be there, or be an empty folder

    Raises
    ------
    InputError : ``out`` is in use
    StorageError : it cannot be written
    RunFolderError : the checkpoint is damaged, or does not say what its network looks like
    """
    check_free(out)
    state = folder.load(step, "Name another one")
    if "network" not in state:
        raise RunFolderError(
            f"{folder.checkpoint(step)} does not say what its network looks like: an earlier emotrove wrote it. Run the "
            "training to its end to get its network"
        )
    student = Emotion2VecSForPreTraining(Emotion2VecSConfig.from_dict(state["network"]))
    own = "student."
    student.load_state_dict(
        {name.removeprefix(own): weight for name, weight in state["module"].items() if name.startswith(own)}
    )
    export_model(student, folder, step, out.absolute())
    return student


def _card(student: Emotion2VecSForPreTraining, folder: TrainingFolder, step: int) -> str:
    """README.md: what the weights are, what they were trained on, and the last figures."""
    try:
        described = yaml.safe_load(folder.store.read_text(DESCRIPTION))
        config, clips = TrainingConfig.model_validate(described["config"]), described["data"]
        about = _clips(clips)
    except (OSError, KeyError, TypeError, ValueError, yaml.YAMLError) as error:
        raise RunFolderError(
            f"{folder.path(DESCRIPTION)} is gone or damaged ({error}), so it cannot be said what the network was trained on. Bring it back"
        ) from error
    weights = config.pretraining
    planned = "" if step == config.steps else f" of {config.steps:,} planned"
    rows = [
        ("network", network_line(student.config)),
        (
            "parameters",
            f"{sum(p.numel() for p in student.parameters()):,}, with the decoder that only pre-training uses",
        ),
        ("started from", plain(config.init) if config.init else "random weights"),
        ("steps", f"{step:,}{planned}, of {config.data.batch_s:g} s of audio in {config.accumulation} parts"),
        (
            "losses",
            f"{weights.frame_weight:g} × frame + {weights.utterance_weight:g} × utterance + {weights.category_weight:g} × category",
        ),
        ("precision", config.precision),
        ("seed", str(config.seed)),
    ]
    parts = [
        "---\nlibrary_name: emotrove\npipeline_tag: audio-classification\ntags: [speech, emotion, speech-emotion-recognition]\n---",
        "# Emotion2Vec-S, trained with emotrove",
        "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]),
        '```python\nfrom model.emotion2vec_s.loading import load_emotion2vec_s\n\nnetwork = load_emotion2vec_s("this-folder")\n```',
        "## Trained on",
        "\n".join(f"- {plain(name)}" for name in clips["inputs"]),
        about,
        "The terms of this speech hold for the weights too: before you pass them on, look up the licence of each corpus above and "
        "name it here. emotrove does not know them.",
        "## Last figures of the training",
        "Means over the last tenth of the steps, on the clips it was trained on. They say nothing about speech it has not heard: "
        "`emotrove evaluate` does.",
        _figures(folder, step),
    ]
    return "\n\n".join(parts) + "\n"


def _clips(clips: Mapping[str, Any]) -> str:
    labelled = sum(clips["labelled"].values())
    classes = ", ".join(f"{emotion} {count:,}" for emotion, count in clips["labelled"].items())
    which = (
        f"{labelled:,} with an emotion ({classes}), {clips['clips'] - labelled:,} without"
        if labelled
        else "none labelled"
    )
    return f"{clips['clips']:,} clips, {clips['hours']:,.2f} h; {which}."


def _figures(folder: TrainingFolder, step: int) -> str:
    records = [record for record in folder.records() if record["step"] <= step]
    if not records:
        return "None were logged up to this step."
    last = records[-max(1, len(records) // 10) :]
    names = ("loss_frame", "loss_utterance", "loss_category", "target_variance", "prediction_variance")
    rows = [f"| {name.replace('_', ' ')} | {sum(r[name] for r in last) / len(last):.4g} |" for name in names]
    return "\n".join(["| figure | mean |", "|---|---|", *rows])
