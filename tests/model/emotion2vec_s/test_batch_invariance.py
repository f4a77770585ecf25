"""The result of a clip does not depend on what shares its batch, on real speech."""

from pathlib import Path

import numpy as np
import pytest
import torch

from manifests.waveform import decode
from model.emotion2vec_s import Emotion2VecS, Emotion2VecSConfig, Emotion2VecSOutput
from model.emotion2vec_s.batches import padded
from tests.model.emotion2vec_s.golden import Golden, small_config

CLIPS = 32


@pytest.fixture(scope="module")
def clips(shared_data: Path) -> list[np.ndarray]:
    """32 pieces of LibriSpeech of 0.6 to 12 s, some of them very quiet."""
    files = sorted((shared_data / "librispeech").rglob("*.flac"))[:CLIPS]
    durations = np.geomspace(0.6, 12.0, CLIPS)
    waveforms = [decode(file.read_bytes()) for file in files]
    pieces = [waveform[: int(duration * 16_000)] for waveform, duration in zip(waveforms, durations, strict=True)]
    assert min(map(len, pieces)) == 9600
    assert max(map(len, pieces)) > 150_000
    return [piece * (0.01 if at % 5 == 0 else 1.0) for at, piece in enumerate(pieces)]


@torch.inference_mode()
def differences(model: Emotion2VecS, clips: list[np.ndarray], batch_size: int) -> float:
    """The largest difference between a clip alone and in batches of clips in no order."""
    alone: list[Emotion2VecSOutput] = [model(torch.from_numpy(clip)[None]) for clip in clips]
    order = np.random.default_rng(batch_size).permutation(len(clips)).tolist()
    worst = 0.0
    for first in range(0, len(clips), batch_size):
        chosen = order[first : first + batch_size]
        together = model(*padded([clips[i] for i in chosen]))
        for at, i in enumerate(chosen):
            length = int(alone[i].frame_lengths[0])
            assert int(together.frame_lengths[at]) == length
            for one, other in (
                (alone[i].frames[0], together.frames[at, :length]),
                (alone[i].utterance_tokens[0], together.utterance_tokens[at]),
                (alone[i].utterance("mean")[0], together.utterance("mean")[at]),
            ):
                worst = max(worst, float((one - other).abs().max()))
    return worst


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("batch_size", [3, 32])
def test_a_clip_alone_and_in_any_batch(
    golden: Golden, clips: list[np.ndarray], batch_size: int, normalize: bool
) -> None:
    model = Emotion2VecS(small_config(normalize=normalize)).eval()
    model.load_state_dict(golden.weights, strict=False)
    assert differences(model, clips, batch_size) < 1e-4


@pytest.mark.slow
def test_a_clip_alone_and_in_a_batch_at_full_size(clips: list[np.ndarray]) -> None:
    torch.manual_seed(0)
    assert differences(Emotion2VecS(Emotion2VecSConfig()).eval(), clips, 8) < 1e-4
