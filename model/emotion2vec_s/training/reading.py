"""Reads the clips of coming batches in threads, while the network computes."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from model.emotion2vec_s.training.sampler import Batch

Load = Callable[[int, int], np.ndarray]
"""(clip, begin) to (n,) float32: so much of a clip as a batch takes."""


@dataclass(frozen=True, slots=True)
class Waveforms:
    """A batch as the network takes it: ``waveforms`` (B, N) padded with zeros, the others (B,) int64."""

    waveforms: Tensor
    lengths: Tensor
    labels: Tensor
    mask_seeds: Tensor

    def to(self, device: torch.device) -> "Waveforms":
        parts = (self.waveforms, self.lengths, self.labels, self.mask_seeds)
        return Waveforms(*(part.to(device, non_blocking=True) for part in parts))


@contextmanager
def reading(
    batch: Callable[[int], Batch], first: int, last: int, load: Load, labels: np.ndarray, threads: int, ahead: int
) -> Iterator[Iterator[Waveforms]]:
    """The batches of the numbers from ``first`` to ``last - 1``, in order.

    Parameters
    ----------
    batch : gives the clips of a number
    labels : (n,) of all clips
    threads : that read clips
    ahead : batches that are read or wait, which bounds the memory
    """
    pool = ThreadPoolExecutor(threads, thread_name_prefix="emotrove-read")

    def begin(number: int) -> tuple[Batch, list[Future[np.ndarray]]]:
        chosen = batch(number)
        return chosen, [
            pool.submit(load, int(clip), int(start)) for clip, start in zip(chosen.clips, chosen.begins, strict=True)
        ]

    def ready() -> Iterator[Waveforms]:
        begun: deque[tuple[Batch, list[Future[np.ndarray]]]] = deque()
        for number in range(first, last):
            while len(begun) < ahead and number + len(begun) < last:
                begun.append(begin(number + len(begun)))
            chosen, clips = begun.popleft()
            yield _stacked(chosen, [clip.result() for clip in clips], labels)

    try:
        yield ready()
    finally:
        pool.shutdown(cancel_futures=True)


def _stacked(batch: Batch, clips: list[np.ndarray], labels: np.ndarray) -> Waveforms:
    padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(clip) for clip in clips], batch_first=True)
    lengths = torch.tensor([len(clip) for clip in clips])
    return Waveforms(padded, lengths, torch.from_numpy(labels[batch.clips]), torch.from_numpy(batch.seeds))
