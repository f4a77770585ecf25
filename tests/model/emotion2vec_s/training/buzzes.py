"""A labelled list of short buzzes whose pitch tells the emotion, and a network that learns them in seconds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from manifests.emotions import CLASSES
from model.emotion2vec_s.training.configuration import RATES, TrainingConfig
from model.emotion2vec_s.training.training_set import TrainingSet, make_training_set
from model.speech import read_speech

NETWORK = {
    "hidden_size": 32,
    "num_heads": 4,
    "prenet_depth": 1,
    "depth": 2,
    "conv_layers": [[16, 10, 5], *[[16, 3, 2]] * 4, *[[16, 2, 2]] * 2],
    "conv_pos_groups": 4,
    "conv_pos_depth": 2,
    "decoder_dim": 16,
    "decoder_groups": 4,
    "decoder_layers": 2,
}
NO_DROPOUT = dict.fromkeys(RATES, 0.0)


def write_buzzes(folder: Path, *, labelled: int = 12, unlabelled: int = 12, classes: int = 3) -> Path:
    """A JSONL and its wavs of 0.5 to 1.5 s."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    lines = []
    for number in range(labelled + unlabelled):
        samples = int(rng.uniform(0.5, 1.5) * 16_000)
        pitch_hz = 110 * 1.5 ** (number % classes)
        phase = np.cumsum(np.full(samples, pitch_hz / 16_000) * (1 + 0.02 * rng.standard_normal(samples)))
        wave = 0.3 * np.sign(np.sin(2 * np.pi * phase)) + 0.01 * rng.standard_normal(samples)
        soundfile.write(folder / f"buzz-{number}.wav", wave.astype(np.float32), 16_000)
        line = {"id": f"buzz-{number}", "wav": f"buzz-{number}.wav", "duration": samples / 16_000}
        if number < labelled:
            line["emotion"] = str(CLASSES[number % classes])
        lines.append(json.dumps(line))
    path = folder / "buzzes.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def settings(**changed: Any) -> dict[str, Any]:
    """The configuration of a training that takes seconds; sections are merged with the values given."""
    base: dict[str, Any] = {
        "network": NETWORK,
        "pretraining": {
            "average_top_k_layers": 2,
            "clone_batch": 2,
            "ema_anneal_steps": 50,
            "min_target_variance": 0.0,
            "min_prediction_variance": 0.0,
        },
        "data": {"batch_s": 12.0, "max_duration_s": 1.2, "bucket_batches": 4},
        "optimizer": {"learning_rate": 1e-3},
        "steps": 10,
        "checkpoints": {"every": 5, "keep": 2},
    }
    for key, value in changed.items():
        base[key] = {**base[key], **value} if isinstance(value, dict) and key in base else value
    return base


def config(**changed: Any) -> TrainingConfig:
    return TrainingConfig.model_validate(settings(**changed))


def training_set(folder: Path, chosen: TrainingConfig, **made: int) -> TrainingSet:
    path = str(write_buzzes(folder, **made))
    return make_training_set(read_speech([path]), [path], chosen)
