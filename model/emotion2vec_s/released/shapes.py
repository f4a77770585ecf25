"""What the shapes of the released weights say of the network they are of, and which shapes a network's weights have."""

import re
from collections.abc import Mapping
from typing import Any

import torch

from model.emotion2vec_s.configuration import Emotion2VecSConfig
from model.emotion2vec_s.network import Emotion2VecS
from model.emotion2vec_s.pretraining.decoder import Decoder

Shapes = Mapping[str, tuple[int, ...]]

AUDIO_ENCODER = "modality_encoders.AUDIO"
DECODER = f"{AUDIO_ENCODER}.decoder."


def expected_shapes(config: Emotion2VecSConfig) -> dict[str, tuple[int, ...]]:
    """Every weight that a checkpoint of this network holds, the decoder of pre-training among them."""
    with torch.device("meta"):
        weights = Emotion2VecS(config).state_dict()
        if config.decoder_layers:
            weights |= {f"{DECODER}{name}": value for name, value in Decoder(config).state_dict().items()}
    return {name: tuple(value.shape) for name, value in weights.items()}


def told_by_shapes(shapes: Shapes) -> dict[str, Any]:
    """Values of the configuration, by our names, as far as the weights tell them.

    Besides those: ``channels_and_kernels`` of the convolutions over the waveform, and ``alibi_per_head``. Missing weights tell
    nothing; that they are missing shows when names and shapes are compared.
    """
    told: dict[str, Any] = {
        "prenet_depth": _count(shapes, rf"{AUDIO_ENCODER}\.context_encoder\.blocks\.(\d+)\."),
        "depth": _count(shapes, r"blocks\.(\d+)\."),
        "conv_pos_depth": _count(shapes, rf"{AUDIO_ENCODER}\.relative_positional_encoder\.(\d+)\.0\.weight"),
        "decoder_layers": _count(shapes, rf"{re.escape(DECODER)}blocks\.(\d+)\."),
    }
    shapes = {name: shape for name, shape in shapes.items() if all(shape)}
    tokens = shapes.get(f"{AUDIO_ENCODER}.extra_tokens", ())
    told["num_extra_tokens"] = tokens[1] if len(tokens) == 3 else 0
    scale = shapes.get(f"{AUDIO_ENCODER}.alibi_scale")
    told["use_alibi"] = scale is not None
    if scale is not None and len(scale) >= 3:
        told["alibi_per_head"] = scale[-3] > 1
        if scale[-3] > 1:
            told["num_heads"] = scale[-3]
    feed_forward = shapes.get("blocks.0.mlp.fc1.weight", ())
    if len(feed_forward) == 2:
        told["hidden_size"], told["mlp_ratio"] = feed_forward[1], feed_forward[0] / feed_forward[1]
        width = told["hidden_size"]
        position = shapes.get(f"{AUDIO_ENCODER}.relative_positional_encoder.1.0.weight", ())
        if len(position) == 3:
            told["conv_pos_groups"] = width // position[1]
            told["conv_pos_width"] = position[2] * told["conv_pos_depth"]
        decoder = shapes.get(f"{DECODER}blocks.0.0.weight", ())
        if len(decoder) == 3:
            told["decoder_dim"], told["decoder_kernel"] = decoder[0], decoder[2]
            told["decoder_groups"] = width // decoder[1]
    kernels = [
        shapes.get(f"{AUDIO_ENCODER}.local_encoder.conv_layers.{layer}.0.weight", ())
        for layer in range(_count(shapes, rf"{AUDIO_ENCODER}\.local_encoder\.conv_layers\.(\d+)\."))
    ]
    told["channels_and_kernels"] = [(shape[0], shape[2]) for shape in kernels if len(shape) == 3]
    return told


def _count(shapes: Shapes, pattern: str) -> int:
    """How many numbered parts have such names; the numbers need not be without gaps."""
    return len({found[1] for name in shapes if (found := re.match(pattern, name))})
