import itertools

import pytest
import torch
from torch import Tensor

from model.emotion2vec_s.pretraining import PreTrainingConfig, mask_seed
from model.emotion2vec_s.pretraining.masking import clip_masks, decoder_noise, draw_masks

CONFIG = PreTrainingConfig()


def drawn(length: int, seed: int, copies: int = 8, config: PreTrainingConfig = CONFIG) -> Tensor:
    return clip_masks(length, copies, torch.Generator().manual_seed(seed), config)


@pytest.mark.parametrize("mask_prob", [0.3, 0.5, 0.7])
def test_every_copy_has_exactly_the_share_of_masked_frames(mask_prob: float) -> None:
    masks = drawn(301, 0, config=PreTrainingConfig(mask_prob=mask_prob))
    assert masks.sum(1).tolist() == [int(301 * mask_prob)] * 8


def test_frames_are_masked_in_spans() -> None:
    masks = drawn(500, 1, copies=100)
    runs = [len(list(run)) for row in masks.tolist() for masked, run in itertools.groupby(row) if masked]
    # Single frames at random would make runs of 2 on average.
    assert sum(runs) / len(runs) > 3.5
    inside = sum(run for run in runs if run >= CONFIG.mask_length)
    assert inside > 0.6 * sum(runs)


def test_every_frame_is_masked_about_as_often() -> None:
    often = drawn(50, 2, copies=4000).float().mean(0)
    assert float((often[2:-2] - 0.5).abs().max()) < 0.05
    assert float(often.min()) > 0.33  # fewer spans reach the first and the last frame


def test_copies_differ() -> None:
    masks = drawn(200, 3)
    assert len({tuple(row) for row in masks.tolist()}) == 8


@pytest.mark.parametrize(("length", "masked"), [(1, 0), (2, 1), (3, 1), (4, 2), (9, 4)])
def test_a_short_clip_keeps_a_frame_and_masks_one_where_it_can(length: int, masked: int) -> None:
    assert drawn(length, 4).sum(1).tolist() == [masked] * 8


def test_masks_of_a_batch_say_what_is_seen_and_where() -> None:
    lengths, seeds = [40, 7, 23], [5, 6, 7]
    masks = draw_masks(lengths, 45, seeds, CONFIG)
    assert masks.seen is not None
    for row, length in enumerate(length for length in lengths for _ in range(8)):
        clip = row // 8
        expected = clip_masks(length, 8, torch.Generator().manual_seed(seeds[clip]), CONFIG)[row % 8]
        assert masks.masked[row].tolist() == [*expected.tolist(), *[False] * (45 - length)]
        assert masks.present[row].tolist() == [True] * length + [False] * (45 - length)
        visible = (~expected).nonzero().squeeze(1)
        assert masks.positions[row][masks.seen[row]].tolist() == visible.tolist()
        assert masks.place[row][visible].tolist() == list(range(len(visible)))
    assert masks.targets.tolist() == [row * 45 + frame for row, frame in masks.masked.nonzero().tolist()]
    assert draw_masks([40, 40], 40, [1, 2], CONFIG).seen is None


def test_a_clip_has_the_same_masks_and_noise_in_any_company() -> None:
    alone = draw_masks([30], 30, [11], CONFIG)
    together = draw_masks([44, 30], 44, [12, 11], CONFIG)
    assert torch.equal(together.masked[8:, :30], alone.masked)
    noise_alone = decoder_noise(alone, [30], [11], 6, CONFIG)
    noise = decoder_noise(together, [44, 30], [12, 11], 6, CONFIG)
    assert torch.equal(noise[8:, :30], noise_alone)
    assert torch.equal(noise.abs().sum(-1) > 0, together.masked)
    assert float(noise[together.masked].std()) == pytest.approx(CONFIG.mask_noise_std, rel=0.1)
    assert len({tuple(row) for row in noise_alone[alone.masked].tolist()}) == int(alone.masked.sum())


def test_seeds_differ_by_run_step_and_clip_and_fit_a_tensor() -> None:
    seeds = [mask_seed(run, step, clip) for run in range(3) for step in range(3) for clip in ("a", "b", 0, 1)]
    assert len(set(seeds)) == len(seeds)
    assert torch.tensor(seeds).tolist() == seeds
    assert mask_seed(1, 2, "EN_B00000_S00000_W000000") == 260552652728271838  # on any machine
