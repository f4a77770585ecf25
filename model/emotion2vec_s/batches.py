"""Batches of clips of similar length."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor


def length_batches(durations_s: Sequence[float], batch_s: float) -> Iterator[list[int]]:
    """Indices of clips by falling length, cut where the padded batch would be longer than ``batch_s`` seconds of audio.

    The longest come first, so that what does not fit into memory shows at once. A clip longer than a batch is one by itself.
    """
    order = sorted(range(len(durations_s)), key=lambda i: -durations_s[i])
    batch: list[int] = []
    for index in order:
        if batch and durations_s[batch[0]] * (len(batch) + 1) > batch_s:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch


def padded(waveforms: Sequence[np.ndarray]) -> tuple[Tensor, Tensor]:
    """Clips of (n,) float32 as (B, N), zeros behind their ends, and (B,) int64 lengths."""
    clips = [torch.from_numpy(waveform) for waveform in waveforms]
    return torch.nn.utils.rnn.pad_sequence(clips, batch_first=True), torch.tensor([len(clip) for clip in clips])
