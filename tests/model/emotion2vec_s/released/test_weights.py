"""Names, shapes and what is left out."""

import pytest
import torch
from torch import Tensor

from model.emotion2vec_s.released.errors import WeightsMismatch
from model.emotion2vec_s.released.shapes import expected_shapes
from model.emotion2vec_s.released.weights import fit, rename
from tests.model.emotion2vec_s.golden import small_config
from tests.model.emotion2vec_s.released.released_files import small_weights

SCALE = "modality_encoders.AUDIO.alibi_scale"


def fitted(weights: dict[str, object], **config: object) -> dict[str, Tensor]:
    return fit(rename(weights), small_config(**config))


def test_what_is_whole_is_kept_bit_by_bit() -> None:
    weights = small_weights()
    found = fitted(dict(weights))
    assert found.keys() == weights.keys()
    assert all(torch.equal(found[name], weights[name]) for name in weights)


def test_every_wrong_key_is_listed_with_its_shapes() -> None:
    weights: dict[str, object] = dict(small_weights())
    del weights["blocks.1.norm2.bias"], weights["modality_encoders.AUDIO.decoder.proj.bias"]
    weights["blocks.0.norm1.weight"] = torch.zeros(95)
    weights["blocks.2.norm1.weight"] = torch.zeros(96)
    weights["modality_encoders.TEXT.extra_tokens"] = torch.zeros(1, 10, 96)
    with pytest.raises(WeightsMismatch) as refused:
        fitted(weights)
    assert str(refused.value).splitlines() == [
        "5 keys are not those of the network that the configuration describes:",
        "misshapen   blocks.0.norm1.weight: expected (96,), found (95,)",
        "missing     blocks.1.norm2.bias: expected (96,)",
        "unexpected  blocks.2.norm1.weight: found (96,)",
        "missing     modality_encoders.AUDIO.decoder.proj.bias: expected (96,)",
        "unexpected  modality_encoders.TEXT.extra_tokens: found (1, 10, 96)",
    ]


def test_parts_of_a_training_are_left_out_and_named() -> None:
    weights: dict[str, object] = {
        **small_weights(),
        "_ema": {"0.norm1.weight": torch.zeros(96), "0.norm1.bias": torch.zeros(96)},
        "_fixed_head.0.weight": torch.zeros(9, 96),
        "_fixed_head.2.weight": torch.zeros(9, 9),
        "recon_proj.weight": torch.zeros(96, 96),
    }
    found = rename(weights)
    assert found.tensors.keys() == small_weights().keys()
    assert found.left_out == {
        "the EMA teacher of pre-training": ["_ema.0.norm1.weight", "_ema.0.norm1.bias"],
        "the nine-class head of pre-training": ["_fixed_head.0.weight", "_fixed_head.2.weight"],
        "the projection of data2vec's reconstruction loss": ["recon_proj.weight"],
    }


def test_an_older_alibi_scale_has_one_dimension_less() -> None:
    weights = small_weights()
    older = {**weights, SCALE: weights[SCALE][0]}
    assert torch.equal(fitted(dict(older))[SCALE], weights[SCALE])


def test_a_scale_that_was_not_learned_is_a_constant() -> None:
    constant = {"learned_alibi_scale": "none", "alibi_scale": 0.5}
    weights: dict[str, object] = dict(small_weights())
    weights[SCALE] = torch.full((1, 1, 12, 1, 1), 0.5)
    assert SCALE not in fitted(weights, **constant)
    weights[SCALE] = torch.full((1, 1, 12, 1, 1), 0.6)
    with pytest.raises(WeightsMismatch, match="alibi_scale is not 0.5 throughout"):
        fitted(weights, **constant)


def test_the_head_of_emotion2vec_plus_is_kept() -> None:
    weights: dict[str, object] = {f"d2v_model.{name}": tensor for name, tensor in small_weights().items()}
    weights |= {"proj.weight": torch.ones(3, 96), "proj.bias": torch.ones(3)}
    assert rename(weights).head_rows == 3
    assert torch.equal(fitted(weights, labels=["a", "b", "c"])["head.0.weight"], torch.ones(3, 96))


def test_half_precision_becomes_single() -> None:
    weights = {name: tensor.half() for name, tensor in small_weights().items()}
    found = fitted(dict(weights))
    assert all(found[name].dtype == torch.float32 and torch.equal(found[name], weights[name].float()) for name in found)


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("x", "text", "x: a str, not a dense tensor"),
        ("x", {"y": torch.zeros(1)}, "x: a dict, not a dense tensor"),
        ("x", torch.zeros(1, dtype=torch.int64), "x: a torch.int64 tensor"),
        ("x", torch.zeros(2, 2).to_sparse(), "x: a torch.float32 tensor, not a dense tensor of floating"),
        ("d2v_model.blocks.0.norm1.bias", torch.zeros(96), "there twice"),
        ("blocks.0.norm1.bias", torch.full((96,), torch.nan), "not finite:\nblocks.0.norm1.bias"),
    ],
)
def test_what_is_no_weight_is_refused(name: str, value: object, why: str) -> None:
    with pytest.raises(WeightsMismatch, match=why):
        fitted({**small_weights(), name: value})


def test_names_and_shapes_are_those_of_the_released_file(golden) -> None:
    import json

    from model.emotion2vec_s import Emotion2VecSConfig

    released = json.loads(golden.keys_file.read_text())
    assert {name: list(shape) for name, shape in expected_shapes(Emotion2VecSConfig()).items()} == released
