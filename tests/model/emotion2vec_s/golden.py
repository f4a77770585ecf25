"""The small network of the released architecture, with the outputs that the released code gave."""

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from model.emotion2vec_s import Emotion2VecSConfig

SMALL = {"hidden_size": 96, "num_heads": 12, "prenet_depth": 2, "depth": 2}
SMALL_CONV_LAYERS = ((32, 10, 5), *[(32, 3, 2)] * 4, *[(32, 2, 2)] * 2)


def small_config(**changed: object) -> Emotion2VecSConfig:
    return Emotion2VecSConfig(**{**SMALL, "conv_layers": SMALL_CONV_LAYERS, **changed})  # type: ignore[arg-type]


class Golden:
    """``wav_i``, ``frames_i``, … for the clips 0 to 3, and the weights under their released names."""

    clips = range(4)

    def __init__(self, folder: Path) -> None:
        self.arrays = np.load(folder / "emotion2vec_s_small.npz")
        self.weights: dict[str, Tensor] = load_file(folder / "emotion2vec_s_small.safetensors")
        self.keys_file = folder / "emotion2vec_s_keys.json"

    def __getitem__(self, name: str) -> Tensor:
        return torch.from_numpy(self.arrays[name])

    def padded(self, value: float = 0.0) -> tuple[Tensor, Tensor]:
        """All clips as one batch: (4, N) and (4,)."""
        clips = [self[f"wav_{i}"] for i in self.clips]
        padded = torch.nn.utils.rnn.pad_sequence(clips, batch_first=True, padding_value=value)
        return padded, torch.tensor([len(clip) for clip in clips])
