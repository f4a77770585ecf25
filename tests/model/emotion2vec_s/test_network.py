import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from model.emotion2vec_s import Emotion2VecS, Emotion2VecSConfig
from model.emotion2vec_s.blocks import alibi_slopes, attention_bias
from model.emotion2vec_s.products import linear
from model.emotion2vec_s.waveform_encoder import convolve
from tests.model.emotion2vec_s.golden import Golden, small_config


def network(golden: Golden, **changed: object) -> Emotion2VecS:
    model = Emotion2VecS(small_config(**changed)).eval()
    found = model.load_state_dict(golden.weights, strict=False)
    assert not found.missing_keys
    assert all("decoder" in name for name in found.unexpected_keys)
    return model


@pytest.mark.parametrize("clip", Golden.clips)
def test_a_clip_alone_gives_what_the_released_network_gave(golden: Golden, clip: int) -> None:
    with torch.no_grad():
        found = network(golden)(golden[f"wav_{clip}"][None])
        normalized = network(golden, normalize=True)(golden[f"wav_{clip}"][None])
    torch.testing.assert_close(found.frames[0], golden[f"frames_{clip}"], atol=1e-4, rtol=0)
    torch.testing.assert_close(
        found.utterance("first_frames")[0], golden[f"first_ten_frames_{clip}"], atol=1e-4, rtol=0
    )
    torch.testing.assert_close(found.utterance("tokens")[0], golden[f"utterance_tokens_{clip}"], atol=1e-4, rtol=0)
    torch.testing.assert_close(normalized.frames[0], golden[f"frames_normalized_input_{clip}"], atol=1e-4, rtol=0)


@pytest.mark.parametrize("padding", [0.0, 0.7])
def test_a_padded_batch_gives_what_the_released_network_gave(golden: Golden, padding: float) -> None:
    waveforms, lengths = golden.padded(padding)
    with torch.no_grad():
        found = network(golden)(waveforms, lengths)
        normalized = network(golden, normalize=True)(waveforms, lengths)
    for clip in golden.clips:
        frames = int(found.frame_lengths[clip])
        assert frames == len(golden[f"frames_{clip}"])
        for name, ours in (
            ("frames", found.frames[clip, :frames]),
            ("first_ten_frames", found.utterance("first_frames")[clip]),
            ("utterance_tokens", found.utterance("tokens")[clip]),
            ("frames_normalized_input", normalized.frames[clip, :frames]),
        ):
            torch.testing.assert_close(ours, golden[f"{name}_{clip}"], atol=1e-4, rtol=0)
        assert not found.frames[clip, frames:].any()
        torch.testing.assert_close(found.utterance("mean")[clip], golden[f"frames_{clip}"].mean(0), atol=1e-4, rtol=0)


def test_names_and_shapes_are_those_of_the_released_file(golden: Golden) -> None:
    released = json.loads(golden.keys_file.read_text())
    with torch.device("meta"):
        ours = {name: list(value.shape) for name, value in Emotion2VecS(Emotion2VecSConfig()).state_dict().items()}
    assert ours == {name: shape for name, shape in released.items() if ".decoder." not in name}


def test_training_sees_the_same_frames(golden: Golden) -> None:
    # Inference works in blocks, training on the whole signal at once.
    model = network(golden)
    waveforms, lengths = golden.padded()
    torch.testing.assert_close(
        model(waveforms, lengths).frames.detach(), _frames(model, waveforms, lengths), atol=1e-5, rtol=0
    )


def _frames(model: Emotion2VecS, waveforms: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model(waveforms, lengths).frames


@pytest.mark.parametrize(("channels", "kernel", "stride"), [(1, 10, 5), (6, 3, 2), (6, 2, 2), (6, 5, 2)])
def test_a_convolution_is_that_of_torch(channels: int, kernel: int, stride: int) -> None:
    x, weight = torch.randn(57, channels), torch.randn(4, channels, kernel)
    torch.testing.assert_close(
        convolve(x, weight, stride), F.conv1d(x.t()[None], weight, stride=stride)[0].t(), atol=1e-4, rtol=0
    )


def test_slopes_are_those_of_alibi() -> None:
    assert alibi_slopes(8) == [2.0**-n for n in range(1, 9)]
    assert alibi_slopes(12) == [*alibi_slopes(8), *alibi_slopes(16)[0:8:2]]
    assert alibi_slopes(16)[:2] == [2**-0.5, 0.5]


def test_nobody_looks_at_padding() -> None:
    present = torch.tensor([[True, True, False]])
    bias = attention_bias(torch.arange(3), torch.tensor([0.5]), present, 2, torch.float32)
    assert bias is not None
    assert bias.shape == (1, 1, 5, 5)
    assert bias[0, 0, :, -1].tolist() == [-np.inf] * 5
    assert bias[0, 0, 2, :4].tolist() == [0, 0, 0, -0.5]
    without = attention_bias(torch.arange(3), None, present, 2, torch.float32)
    assert without is not None
    assert without[0, 0, 0].tolist() == [0, 0, 0, 0, -np.inf]
    assert attention_bias(torch.arange(3), None, None, 2, torch.float32) is None


def test_a_clip_that_is_too_short_is_an_error(golden: Golden) -> None:
    model = network(golden)
    with pytest.raises(ValueError, match="399 samples is too short: one frame takes 400"):
        model(torch.zeros(1, 399))
    with pytest.raises(ValueError, match="a clip of 9 frames has no first 10 frames"):
        model(torch.zeros(1, 400 + 8 * 320)).utterance("first_frames")


def test_new_weights_are_those_of_data2vec() -> None:
    torch.manual_seed(0)
    model = Emotion2VecS(small_config(hidden_size=192, conv_layers=[[128, 10, 5], [128, 3, 2]]))
    layers = model.audio.local_encoder.conv_layers
    weight = layers[1][0].weight  # type: ignore[index]
    assert float(weight.detach().std()) == pytest.approx((2 / (128 * 3)) ** 0.5, rel=0.05)
    assert float(model.blocks[0].mlp.fc1.weight.detach().std()) == pytest.approx(0.02, rel=0.05)  # type: ignore[union-attr]
    assert float(model.audio.extra_tokens.detach().std()) == pytest.approx(1.0, rel=0.1)
    assert model.audio.slopes().tolist() == pytest.approx(alibi_slopes(12))  # type: ignore[union-attr]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("shape", [(5, 12), (1, 12), (2, 3, 12)])
def test_a_linear_layer_is_that_of_torch(shape: tuple[int, ...], threads: int) -> None:
    x, weight, bias = torch.randn(shape), torch.randn(7, 12), torch.randn(7)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.no_grad():
            torch.testing.assert_close(linear(x, weight, bias), F.linear(x, weight, bias), atol=1e-5, rtol=0)
            torch.testing.assert_close(linear(x, weight, None), F.linear(x, weight), atol=1e-5, rtol=0)
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("padded", [False, True])
@pytest.mark.parametrize("normalize", [False, True])
def test_it_compiles(padded: bool, normalize: bool) -> None:
    """As one graph; with normalization, which goes clip by clip, as one behind it."""
    torch.manual_seed(0)
    model = Emotion2VecS(small_config(normalize=normalize)).eval()
    waveforms = torch.randn(3, 16_000) / 10
    lengths = torch.tensor([16_000, 12_000, 9_000]) if padded else None
    torch.compiler.reset()
    compiled = torch.compile(model, backend="eager", fullgraph=not normalize)
    with torch.inference_mode():
        torch.testing.assert_close(compiled(waveforms, lengths).frames, model(waveforms, lengths).frames)
