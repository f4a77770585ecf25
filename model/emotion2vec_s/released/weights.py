"""From the weights of a released file to ours, strictly: nothing missing, nothing unexpected, every shape as it should be."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from model.emotion2vec_s.configuration import Emotion2VecSConfig
from model.emotion2vec_s.released.errors import WeightsMismatch
from model.emotion2vec_s.released.shapes import AUDIO_ENCODER, Shapes, expected_shapes

_FUNASR_PREFIX = "d2v_model."
_ALIBI_SCALE = f"{AUDIO_ENCODER}.alibi_scale"
_HEAD = {"proj.weight": "head.0.weight", "proj.bias": "head.0.bias"}
_LEFT_OUT = {
    "_ema": "the EMA teacher of pre-training",
    "_fixed": "the nine-class head of pre-training",
    "recon_proj.": "the projection of data2vec's reconstruction loss",
    "shared_decoder.": "data2vec's decoder for several modalities",
}
"""Known parts of a training that the network does without, by the beginning of their names."""


@dataclass
class ReleasedWeights:
    """Tensors under our names, and what was left out: the reason, and the names in the file."""

    tensors: dict[str, Tensor]
    left_out: dict[str, list[str]] = field(default_factory=dict)

    @property
    def shapes(self) -> Shapes:
        return {name: tuple(tensor.shape) for name, tensor in self.tensors.items()}

    @property
    def stored_bytes(self) -> int:
        """What the tensors take in the precision of the file, each number counted."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.tensors.values())

    @property
    def head_rows(self) -> int:
        """Classes of the head; 0 where there is none."""
        weight = self.tensors.get(_HEAD["proj.weight"])
        return weight.shape[0] if weight is not None and weight.ndim else 0


def rename(found: Mapping[str, Any]) -> ReleasedWeights:
    """Weights under our names, with what has no place in the network set aside.

    Raises
    ------
    WeightsMismatch : something among them is no weight, or two have one name
    """
    weights = ReleasedWeights({})
    odd: list[str] = []
    for stored_name, value in found.items():
        name = stored_name.removeprefix(_FUNASR_PREFIX)
        reason = next((reason for start, reason in _LEFT_OUT.items() if name.startswith(start)), None)
        if reason is not None:
            parts = [f"{stored_name}.{part}" for part in value] if isinstance(value, Mapping) else [stored_name]
            weights.left_out.setdefault(reason, []).extend(parts)
            continue
        if not isinstance(value, Tensor) or value.layout != torch.strided or not value.is_floating_point():
            kind = f"{value.dtype} tensor" if isinstance(value, Tensor) else type(value).__name__
            odd.append(f"unexpected  {stored_name}: a {kind}, not a dense tensor of floating-point numbers")
            continue
        name = _HEAD.get(name, name)
        if name in weights.tensors:
            odd.append(f"unexpected  {stored_name}: there twice, with and without {_FUNASR_PREFIX}")
            continue
        if name == _ALIBI_SCALE and value.ndim == 4:  # before data2vec 2.0 could have one for each layer
            value = value[None]
        weights.tensors[name] = value
    if odd:
        raise WeightsMismatch("\n".join([f"{len(odd)} entries of the checkpoint are no weights:", *odd]))
    return weights


def fit(weights: ReleasedWeights, config: Emotion2VecSConfig) -> dict[str, Tensor]:
    """The weights of exactly this network, float32.

    Raises
    ------
    WeightsMismatch : with every key that is missing, unexpected or misshapen, and the shapes
    """
    found, expected = dict(weights.tensors), expected_shapes(config)
    scale = found.get(_ALIBI_SCALE)
    if config.use_alibi and config.learned_alibi_scale == "none" and scale is not None:
        if not bool((scale == config.alibi_scale).all()):
            raise WeightsMismatch(
                f"{_ALIBI_SCALE} is not {config.alibi_scale} throughout, though the configuration says that it was not learned"
            )
        del found[_ALIBI_SCALE]
    lines = []
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            lines.append(f"missing     {name}: expected {expected[name]}")
        elif name not in expected:
            lines.append(f"unexpected  {name}: found {tuple(found[name].shape)}")
        elif tuple(found[name].shape) != expected[name]:
            lines.append(f"misshapen   {name}: expected {expected[name]}, found {tuple(found[name].shape)}")
    if lines:
        raise WeightsMismatch(
            "\n".join([f"{len(lines)} keys are not those of the network that the configuration describes:", *lines])
        )
    # Each a memory of its own: safetensors refuses tensors that share one, and a file on disk stays behind those that do not.
    fitted = {name: found[name].detach().to(torch.float32, copy=True).contiguous() for name in expected}
    endless = [name for name, tensor in fitted.items() if not bool(torch.isfinite(tensor).all())]
    if endless:
        raise WeightsMismatch("\n".join(["these weights hold values that are not finite:", *endless]))
    return fitted
