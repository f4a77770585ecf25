"""What a network can be made of: the check of a configuration that comes from outside."""

from collections.abc import Mapping
from typing import Any

HIGHEST, MOST_LAYERS = 65_536, 256
"""Of any number, and of the blocks or convolutions behind one another; more is not believed."""

ALIBI_SCALES = ("none", "shared", "per_head")

_LAYERS = ("depth", "prenet_depth", "conv_pos_depth", "decoder_layers")
_DIVIDES = (
    ("num_heads", "hidden_size"),
    ("conv_pos_groups", "hidden_size"),
    ("decoder_groups", "hidden_size"),
    ("decoder_groups", "decoder_dim"),
)
_AT_LEAST_ONE = {
    *("hidden_size", "mlp_ratio", "depth", "conv_pos_depth", "num_extra_tokens", "decoder_dim", "decoder_kernel"),
    *(divisor for divisor, _ in _DIVIDES),
}


def impossible(values: Mapping[str, Any]) -> str | None:
    """Why there is no network with these values, in words that begin with the key; None where there is one.

    Parameters
    ----------
    values : of the right types, by the names of ``Emotion2VecSConfig``; those that are not given are not looked at
    """
    for name, value in sorted(values.items()):
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            continue
        if name in _AT_LEAST_ONE and value < 1:
            return f"{name} is {value}; a network needs 1 or more"
        highest = 1 if name.endswith(("dropout", "drop")) else HIGHEST
        if not 0 <= value <= highest:
            return f"{name} is {value}, not a number from 0 to {highest}"
    for name in _LAYERS:
        if values.get(name, 0) > MOST_LAYERS:
            return f"{name} is {values[name]}; more than {MOST_LAYERS} layers are not believed"
    for divisor, divided in _DIVIDES:
        if divisor in values and values[divided] % values[divisor]:
            return f"{divisor} is {values[divisor]}, which does not divide {divided}, {values[divided]}"
    heads, made_for = values["num_heads"], values.get("num_alibi_heads")
    if values.get("use_alibi") and made_for not in (None, heads):
        return f"num_alibi_heads is {made_for!r}; this network has it equal to num_heads only, which is {heads}"
    scale = values.get("learned_alibi_scale", ALIBI_SCALES[0])
    if scale not in ALIBI_SCALES:
        return f"learned_alibi_scale is {scale!r}, none of {', '.join(ALIBI_SCALES)}"
    return _impossible_convolutions(values["conv_layers"])


def _impossible_convolutions(layers: Any) -> str | None:
    if not 0 < len(layers) <= MOST_LAYERS:
        return f"conv_layers has {len(layers)} convolutions; a network needs 1 to {MOST_LAYERS}"
    for layer in layers:
        if len(layer) != 3:
            return f"conv_layers has {list(layer)}, which is not (channels, kernel, stride)"
        channels, kernel, stride = layer
        if not 1 <= channels <= HIGHEST or not 1 <= stride <= kernel <= HIGHEST:
            return f"conv_layers has {list(layer)}; channels and stride are 1 or more, and the kernel no less than the stride"
    return None
