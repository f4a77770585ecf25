"""A network small enough to train in a test, and clips of two kinds of buzz for it."""

import torch
from torch import Tensor

from model.emotion2vec_s import Emotion2VecSConfig
from model.emotion2vec_s.pretraining import Emotion2VecSForPreTraining, PreTrainingConfig, SelfDistillation, mask_seed

STILL = {
    "encoder_dropout": 0.0,
    "attention_dropout": 0.0,
    "post_mlp_dropout": 0.0,
    "prenet_dropout": 0.0,
    "layerdrop": 0.0,
    "prenet_layerdrop": 0.0,
}
"""Nothing left to chance but masks and noise."""


def tiny_config(**changed: object) -> Emotion2VecSConfig:
    shape = {
        "hidden_size": 32,
        "num_heads": 4,
        "prenet_depth": 1,
        "depth": 2,
        "conv_layers": ((16, 10, 5), *[(16, 3, 2)] * 4, *[(16, 2, 2)] * 2),
        "decoder_dim": 16,
    }
    return Emotion2VecSConfig(**{**shape, **STILL, **changed})  # type: ignore[arg-type]


def tiny_training(**changed: object) -> PreTrainingConfig:
    values = {"average_top_k_layers": 2, "clone_batch": 2, "decoder_input_dropout": 0.0}
    return PreTrainingConfig(**{**values, **changed})  # type: ignore[arg-type]


def tiny_distillation(**changed: object) -> SelfDistillation:
    """Always the same weights, and every one of them informative."""
    torch.manual_seed(7)
    return SelfDistillation(Emotion2VecSForPreTraining(tiny_config()), tiny_training(**changed))


def buzzes(count: int, seed: int = 0, longest: int = 9000) -> dict[str, Tensor]:
    """A batch of clips of 0.3 s and more: low buzzes, label 0, and high ones, label 1; each third has no label."""
    chance = torch.Generator().manual_seed(seed)
    lengths = torch.randint(longest // 2, longest, (count,), generator=chance)
    kinds = torch.arange(count) % 2
    pitch_hz = torch.where(kinds == 0, 110.0, 330.0)[:, None] * (0.9 + 0.2 * torch.rand(count, 1, generator=chance))
    phase = pitch_hz * torch.arange(longest) / 16_000 + torch.rand(count, 1, generator=chance)
    waveforms = 0.3 * (2 * phase.frac() - 1) * torch.sin(torch.pi * torch.arange(longest) / 2000).abs()
    waveforms = waveforms + 0.02 * torch.randn(count, longest, generator=chance)
    return {
        "waveforms": waveforms.masked_fill(torch.arange(longest) >= lengths[:, None], 0),
        "lengths": lengths,
        "labels": kinds.masked_fill(torch.arange(count) % 3 == 2, -100),
        "mask_seeds": torch.tensor([mask_seed(0, seed, clip) for clip in range(count)]),
    }
