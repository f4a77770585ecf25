"""Clips as one batch."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def padded(waveforms: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Clips of (n,) float32 as (B, N), zeros behind their ends, and (B,) int64 lengths."""
    clips = [torch.from_numpy(waveform) for waveform in waveforms]
    return torch.nn.utils.rnn.pad_sequence(clips, batch_first=True), torch.tensor([len(clip) for clip in clips])
