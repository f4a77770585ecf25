"""From stored configurations and shapes to ours."""

from typing import Any

import pytest

from model.emotion2vec_s.released.architecture import conv_layers, read_architecture
from model.emotion2vec_s.released.errors import UnsupportedArchitecture
from tests.model.emotion2vec_s.golden import SMALL_CONV_LAYERS, small_config
from tests.model.emotion2vec_s.released.released_files import small_weights, stored_config

SHAPES = {name: tuple(tensor.shape) for name, tensor in small_weights().items()}


def test_the_stored_configuration_decides() -> None:
    found = read_architecture(stored_config(), SHAPES)
    assert found.config.to_dict() == small_config().to_dict()
    assert found.assumed == []
    changed = stored_config(depth=3, encoder_dropout=0.3, norm_eps=1e-6, audio={"prenet_layerdrop": 0.2})
    config = read_architecture(changed, SHAPES).config
    assert (config.depth, config.encoder_dropout, config.norm_eps, config.prenet_layerdrop) == (3, 0.3, 1e-6, 0.2)
    assert read_architecture(stored_config() | {"task": {"normalize": True}}, SHAPES).config.normalize


def test_shapes_tell_what_the_configuration_does_not() -> None:
    found = read_architecture(None, SHAPES)
    assert found.config.to_dict() == small_config().to_dict()
    assert found.assumed[0].startswith("as in emotion2vec-base: norm_eps 1e-05, encoder_dropout 0.1,")
    assert "strides 5 2 2 2 2 2 2 of the convolutions" in found.assumed[0]
    assert found.assumed[1].startswith("clips are not normalised first")

    partly = stored_config()
    partly["model"]["embed_dim"] = "???"
    del partly["model"]["modalities"]["audio"]["num_extra_tokens"]
    assert read_architecture(partly, SHAPES).config.to_dict() == small_config().to_dict()


def test_funasr_stores_it_in_another_place() -> None:
    model = stored_config()["model"]
    model["modalities"]["audio"] |= {"num_alibi_heads": 12, "decoder": None}
    found = read_architecture({"model": "Emotion2vec", "model_conf": model | {"normalize": True}}, SHAPES)
    assert found.config.to_dict() == small_config(normalize=True).to_dict()


def test_a_finetuned_network_has_no_decoder() -> None:
    shapes = {name: shape for name, shape in SHAPES.items() if ".decoder." not in name}
    assert read_architecture(stored_config(), shapes).config.decoder_layers == 0


@pytest.mark.parametrize(
    ("audio", "kind"),
    [
        ({}, "per_head"),
        ({"learned_alibi_scale_per_head": False}, "shared"),
        ({"learned_alibi_scale": False, "alibi_scale": 0.5}, "none"),
    ],
)
def test_kinds_of_alibi(audio: dict[str, Any], kind: str) -> None:
    config = read_architecture(stored_config(audio=audio), SHAPES).config
    assert config.learned_alibi_scale == kind
    assert config.alibi_scale == (0.5 if kind == "none" else 1.0)
    assert not read_architecture(stored_config(audio={"use_alibi_encoder": False}), SHAPES).config.use_alibi


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"layer_norm_first": True}, "model.layer_norm_first is True"),
        ({"norm_affine": False}, "model.norm_affine is False"),
        ({"supported_modality": "TEXT"}, "model.supported_modality is 'TEXT'"),
        ({"supported_modality": 2}, "model.supported_modality is 2"),
        ({"modalities": {"image": {}}}, "has no audio"),
        ({"depth": "8; import os"}, "model.depth of the stored configuration is '8; import os', not a whole number"),
        ({"depth": 10**9}, "model.depth"),
        ({"depth": 257}, "more than 256 layers"),
        ({"depth": 0}, "depth is 0; a network needs 1 or more"),
        ({"encoder_dropout": 2}, "encoder_dropout is 2.0, not a number from 0 to 1"),
        ({"layerdrop": 1.5}, "layerdrop is 1.5, not a number from 0 to 1"),
        ({"post_mlp_drop": 2}, "post_mlp_dropout is 2.0"),
        ({"audio": {"num_extra_tokens": 0}}, "num_extra_tokens is 0; a network needs 1 or more"),
        ({"audio": {"feature_encoder_spec": "[(32, 2, 3)]"}}, r"conv_layers has \[32, 2, 3\]"),
        ({"audio": {"feature_encoder_spec": "[(32, 10, 0)]"}}, r"conv_layers has \[32, 10, 0\]"),
        ({"embed_dim": 0}, "hidden_size is 0"),
        ({"audio": {"conv_pos_depth": 0}}, "conv_pos_depth is 0"),
        ({"audio": {"conv_pos_groups": 7}}, "conv_pos_groups is 7, which does not divide hidden_size, 96"),
        ({"audio": {"decoder": {"decoder_groups": 96, "decoder_dim": 100}}}, "does not divide decoder_dim, 100"),
        ({"depth": True}, "model.depth"),
        ({"norm_eps": float("nan")}, "model.norm_eps"),
        ({"num_heads": 7}, "num_alibi_heads|num_heads is 7, which does not divide hidden_size, 96"),
        ({"embed_dim": "${model.embed_dim}"}, "leads in a circle"),
        ({"audio": {"type": "IMAGE"}}, "audio.type is 'IMAGE'"),
        ({"audio": {"learned_alibi": True}}, "audio.learned_alibi is True"),
        ({"audio": {"learned_alibi_scale_per_layer": True}}, "learned_alibi_scale_per_layer is True"),
        ({"audio": {"use_alibi_encoder": "yes"}}, "use_alibi_encoder .* is 'yes', neither true nor false"),
        ({"audio": {"num_alibi_heads": 8}}, "num_alibi_heads is 8"),
        (
            {"audio": {"num_alibi_heads": 12.0}},
            "num_alibi_heads of the stored configuration is 12.0, not a whole number",
        ),
        ({"audio": {"conv_pos_pre_ln": True}}, "conv_pos_pre_ln is True"),
        ({"audio": {"conv_pos_depth": 257}}, "conv_pos_depth is 257"),
        ({"audio": {"extractor_mode": "default"}}, "extractor_mode is 'default'"),
        ({"audio": {"decoder": {"projection_layers": 2}}}, "projection_layers is 2"),
        ({"audio": {"decoder": {"decoder_residual": False}}}, "decoder_residual is False"),
    ],
)
def test_what_the_network_cannot_follow_is_refused_by_name(change: dict[str, Any], named: str) -> None:
    with pytest.raises(UnsupportedArchitecture, match=named):
        read_architecture(stored_config(**change), SHAPES)


def test_what_nothing_tells_is_asked_for() -> None:
    without = {name: shape for name, shape in SHAPES.items() if "alibi" not in name}
    with pytest.raises(UnsupportedArchitecture, match="how many heads .* --config FILE.yaml"):
        read_architecture(None, without)
    other = {**SHAPES, "modality_encoders.AUDIO.local_encoder.conv_layers.0.0.weight": (32, 1, 11)}
    with pytest.raises(UnsupportedArchitecture, match="the strides .* --config FILE.yaml"):
        read_architecture(None, other)
    with pytest.raises(UnsupportedArchitecture, match="neither a section 'model' nor 'model_conf'"):
        read_architecture({"lr": 1}, SHAPES)


def test_shapes_of_a_damaged_file_do_no_harm() -> None:
    for odd in ((), (0,), (0, 0), (0, 0, 0), (1, 2, 3, 4, 5, 6)):
        with pytest.raises(UnsupportedArchitecture):
            read_architecture(None, dict.fromkeys(SHAPES, odd))


def test_convolutions_are_read_and_not_run() -> None:
    text = "[(32, 10, 5)] + [(32, 3, 2)] * 4 + [(32,2,2)] + 1 * [(32,2,2)]"
    assert conv_layers(text) == list(SMALL_CONV_LAYERS)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('id')",
        "[(32, 10, 5)] * 999 * 999",
        "[(32, 10, 5)] * -1",
        "[(32, 10, 5), (32, 3)]",
        "[(32, 10, '5')]",
        "[(True, 10, 5)]",
        "[x for x in ()]",
        "(" * 900,
        "[]",
        "",
    ],
)
def test_convolutions_that_are_anything_else_are_refused(text: str) -> None:
    with pytest.raises(UnsupportedArchitecture, match="feature_encoder_spec is"):
        conv_layers(text)
