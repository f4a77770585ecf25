"""Which frames of each copy of a clip the student sees.

The masks of a clip follow from its own seed and length alone: neither the other clips of the batch nor the worker it is on
change them. So any number of workers trains on the same masks.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from model.emotion2vec_s.pretraining.configuration import PreTrainingConfig


def mask_seed(seed: int, step: int, clip: str | int) -> int:
    """The seed of one clip's masks at one update; below 2**63, so that it fits an int64 tensor."""
    digest = hashlib.blake2b(f"{seed}/{step}/{clip}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


@dataclass(slots=True)
class Masks:
    """Masks of B clips in K copies each, as one batch of B * K = M sequences, a clip's copies beside each other."""

    masked: Tensor  # (M, T) bool: a frame that the student does not see and has to predict
    present: Tensor  # (M, T) bool: a frame of the clip, not padding
    positions: Tensor  # (M, L) int64: the frames that the student sees, in order
    seen: Tensor | None  # (M, L) bool: false behind the end of a shorter sequence; None where all have L
    place: Tensor  # (M, T) int64: where in ``positions`` a seen frame is
    targets: Tensor  # (F,) int64: the masked frames of all sequences as rows of (M * T)

    def to(self, device: torch.device) -> "Masks":
        def moved(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        return Masks(
            moved(self.masked),
            moved(self.present),
            moved(self.positions),
            None if self.seen is None else moved(self.seen),
            moved(self.place),
            moved(self.targets),
        )


def draw_masks(frame_lengths: Sequence[int], frames: int, seeds: Sequence[int], config: PreTrainingConfig) -> Masks:
    """Masks of a padded batch, on the processor.

    Parameters
    ----------
    frame_lengths : of each clip, at least 1
    frames : T, the length that all are padded to
    seeds : of each clip
    """
    copies = config.clone_batch
    masked = torch.zeros(len(frame_lengths), copies, frames, dtype=torch.bool)
    for clip, (length, seed) in enumerate(zip(frame_lengths, seeds, strict=True)):
        masked[clip, :, :length] = clip_masks(length, copies, torch.Generator().manual_seed(seed), config)
    masked = masked.flatten(0, 1)
    lengths = torch.tensor(frame_lengths).repeat_interleave(copies)
    present = torch.arange(frames) < lengths[:, None]
    visible = present & ~masked
    counts = visible.sum(1)
    positions = visible.byte().argsort(dim=1, descending=True, stable=True)[:, : int(counts.max())]
    seen = torch.arange(positions.shape[1]) < counts[:, None]
    place = (visible.cumsum(1) - 1).clamp_min(0)
    targets = masked.flatten().nonzero().squeeze(1)
    return Masks(masked, present, positions, None if bool(seen.all()) else seen, place, targets)


def clip_masks(length: int, copies: int, generator: torch.Generator, config: PreTrainingConfig) -> Tensor:
    """Masks of one clip.

    As data2vec 2.0 (``compute_block_mask_1d`` of fairseq): spans around places drawn at random, cut at the clip's ends; then
    single frames are taken away or added until the share is exact, so that all copies keep the same number of frames. At least
    one frame stays visible, and of two or more at least one is masked.

    Parameters
    ----------
    length : frames of the clip

    Returns
    -------
    (copies, length) bool
    """
    spans = int(length * (config.mask_prob + config.mask_prob_adjust) / config.mask_length)
    centres = torch.randint(length, (copies, spans, 1), generator=generator)
    offsets = torch.arange(config.mask_length) - config.mask_length // 2
    inside = (centres + offsets).clamp(0, length - 1).flatten(1)
    drawn = torch.zeros(copies, length).scatter_(1, inside, 1)
    # Frames in a span come before all others, and within either chance decides.
    order = (drawn + torch.rand(copies, length, generator=generator)).argsort(dim=1, descending=True)
    return torch.zeros(copies, length, dtype=torch.bool).scatter_(1, order[:, : masked_frames(length, config)], True)


def masked_frames(length: int, config: PreTrainingConfig) -> int:
    """How many frames of a clip are masked in each of its copies."""
    return min(max(int(length * config.mask_prob), 1), length - 1)


def decoder_noise(
    masks: Masks, frame_lengths: Sequence[int], seeds: Sequence[int], width: int, config: PreTrainingConfig
) -> Tensor:
    """What the decoder finds in masked places: (M, T, width), zero elsewhere.

    A clip's noise follows from its seed and length, too. It is drawn on the device that the masks are on, since it is large, and
    differs between kinds of device.
    """
    device = masks.masked.device
    generator = torch.Generator(device)
    drawn = []
    for length, seed in zip(frame_lengths, seeds, strict=True):
        generator.manual_seed(seed ^ NOISE_STREAM)
        count = config.clone_batch * masked_frames(length, config)
        drawn.append(torch.randn(count, width, generator=generator, device=device))
    noise = torch.zeros(masks.masked.numel(), width, device=device)
    noise.index_copy_(0, masks.targets, torch.cat(drawn) * config.mask_noise_std)
    return noise.view(*masks.masked.shape, width)


NOISE_STREAM = 0x5851F42D4C957F2D
"""Keeps the numbers of the noise apart from those of the masks."""
