"""The trained network as others use it: OUT/model, with its weights and a card."""

import shutil
import tempfile
from pathlib import Path

from transformers.utils.logging import disable_progress_bar, enable_progress_bar

from manifests.card import plain
from model.emotion2vec_s.pretraining import Emotion2VecSForPreTraining
from model.emotion2vec_s.released.card import network_line
from model.emotion2vec_s.training.configuration import TrainingConfig
from model.emotion2vec_s.training.folder import TrainingFolder
from model.emotion2vec_s.training.training_set import TrainingSet

MODEL = "model"


def export_model(
    student: Emotion2VecSForPreTraining, config: TrainingConfig, data: TrainingSet, folder: TrainingFolder
) -> None:
    """Write OUT/model in place of what is there; ``load_emotion2vec_s`` takes the folder as it is."""
    place = folder.path(MODEL)
    with tempfile.TemporaryDirectory(dir=folder.path(), prefix=".tmp-model-") as made:
        disable_progress_bar()  # of one file that takes a second
        student.save_pretrained(Path(made, MODEL))
        enable_progress_bar()
        shutil.copymode(
            Path(made, MODEL, "config.json"), Path(made, MODEL, "model.safetensors")
        )  # which only its maker could read
        Path(made, MODEL, "README.md").write_text(_card(student, config, data, folder), "utf-8")
        if place.exists():
            place.rename(Path(made, "replaced"))
        Path(made, MODEL).rename(place)


def _card(
    student: Emotion2VecSForPreTraining, config: TrainingConfig, data: TrainingSet, folder: TrainingFolder
) -> str:
    """README.md: what the weights are, what they were trained on, and the last figures."""
    weights = config.pretraining
    labelled = sum(data.classes.values())
    classes = ", ".join(f"{emotion} {count:,}" for emotion, count in data.classes.items())
    rows = [
        ("network", network_line(student.config)),
        (
            "parameters",
            f"{sum(p.numel() for p in student.parameters()):,}, with the decoder that only pre-training uses",
        ),
        ("started from", plain(config.init) if config.init else "random weights"),
        ("steps", f"{config.steps:,} of {config.data.batch_s:g} s of audio in {config.accumulation} parts"),
        (
            "losses",
            f"{weights.frame_weight:g} × frame + {weights.utterance_weight:g} × utterance + {weights.category_weight:g} × category",
        ),
        ("precision", config.precision),
        ("seed", str(config.seed)),
    ]
    corpora = "\n".join(f"- {plain(name)}" for name in data.inputs)
    parts = [
        "---\nlibrary_name: emotrove\npipeline_tag: audio-classification\ntags: [speech, emotion, speech-emotion-recognition]\n---",
        "# Emotion2Vec-S, trained with emotrove",
        "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]),
        '```python\nfrom model.emotion2vec_s.loading import load_emotion2vec_s\n\nnetwork = load_emotion2vec_s("this-folder")\n```',
        "## Trained on",
        corpora,
        f"{len(data.clips):,} clips, {data.hours:,.2f} h; {labelled:,} with an emotion ({classes}), {len(data.clips) - labelled:,} "
        "without.",
        "The terms of this speech hold for the weights too: before you pass them on, look up the licence of each corpus above and "
        "name it here. emotrove does not know them.",
        "## Last figures of the training",
        "Means over the last tenth of the steps, on the clips it was trained on. They say nothing about speech it has not heard: "
        "`emotrove evaluate` does.",
        _figures(folder),
    ]
    return "\n\n".join(parts) + "\n"


def _figures(folder: TrainingFolder) -> str:
    records = list(folder.records())
    last = records[-max(1, len(records) // 10) :]
    names = ("loss_frame", "loss_utterance", "loss_category", "target_variance", "prediction_variance")
    rows = [f"| {name.replace('_', ' ')} | {sum(r[name] for r in last) / len(last):.4g} |" for name in names]
    return "\n".join(["| figure | mean |", "|---|---|", *rows])
