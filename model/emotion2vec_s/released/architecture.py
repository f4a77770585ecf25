"""From the configuration stored in a checkpoint to ours.

What the configuration says decides. What it does not say is taken from the shapes of the weights, and what those cannot tell is
assumed to be as in emotion2vec-base, and reported. Values that our network cannot follow are refused.

Sources: ``examples/data2vec/models/data2vec2.py`` and ``modalities/{base,audio,modules}.py`` of fairseq, for names and meanings.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from model.emotion2vec_s.configuration import CONV_LAYERS, Emotion2VecSConfig
from model.emotion2vec_s.limits import HIGHEST, MOST_LAYERS, impossible
from model.emotion2vec_s.released.errors import UnsupportedArchitecture
from model.emotion2vec_s.released.shapes import Shapes, told_by_shapes

AUDIO = "model.modalities.audio"

# Ours and the name in the stored configuration. The first group shapes the network, the second matters in training only.
_SHAPE = {
    "hidden_size": "model.embed_dim",
    "num_heads": "model.num_heads",
    "mlp_ratio": "model.mlp_ratio",
    "depth": "model.depth",
    "norm_eps": "model.norm_eps",
    "prenet_depth": f"{AUDIO}.prenet_depth",
    "num_extra_tokens": f"{AUDIO}.num_extra_tokens",
    "conv_pos_width": f"{AUDIO}.conv_pos_width",
    "conv_pos_groups": f"{AUDIO}.conv_pos_groups",
    "conv_pos_depth": f"{AUDIO}.conv_pos_depth",
}
_TRAINING = {
    "encoder_dropout": "model.encoder_dropout",
    "attention_dropout": "model.attention_dropout",
    "activation_dropout": "model.activation_dropout",
    "post_mlp_dropout": "model.post_mlp_drop",
    "layerdrop": "model.layerdrop",
    "prenet_dropout": f"{AUDIO}.prenet_dropout",
    "prenet_layerdrop": f"{AUDIO}.prenet_layerdrop",
}
_DECODER = {
    name: f"{AUDIO}.decoder.{name}" for name in ("decoder_dim", "decoder_groups", "decoder_kernel", "decoder_layers")
}
_FIXED = {
    "model.layer_norm_first": False,
    "model.norm_affine": True,
    f"{AUDIO}.extractor_mode": "layer_norm",
    f"{AUDIO}.conv_pos_pre_ln": False,
    f"{AUDIO}.learned_alibi": False,
    f"{AUDIO}.learned_alibi_scale_per_layer": False,
    f"{AUDIO}.decoder.decoder_residual": True,
    f"{AUDIO}.decoder.projection_layers": 1,
    f"{AUDIO}.decoder.add_positions_masked": False,
    f"{AUDIO}.decoder.add_positions_all": False,
}
"""What our network does in one way only."""

_NOT_SET = "???"  # omegaconf's mark
_INTERPOLATION = re.compile(r"\$\{([\w.]+)\}")
_AUDIO_NAMES = ("AUDIO", "audio", "Modality.AUDIO", "1", 1)  # 1 is its value in the enumeration


@dataclass
class Architecture:
    """What a checkpoint describes; ``assumed`` says in words what neither its configuration nor its shapes tell."""

    config: Emotion2VecSConfig
    assumed: list[str] = field(default_factory=list)


def read_architecture(stored: Mapping[str, Any] | None, shapes: Shapes, labels: Sequence[str] = ()) -> Architecture:
    """The network that a checkpoint is of.

    Parameters
    ----------
    stored : configuration of fairseq (with ``model`` and ``task``) or FunASR (with ``model_conf``); None where there is none
    shapes : of the weights by name
    labels : of the head, in the order of its rows

    Raises
    ------
    UnsupportedArchitecture : a value that ours cannot follow, or one that nothing tells; the message names it
    """
    return _Reader(_sections(stored or {}), told_by_shapes(shapes)).read(labels)


def _sections(stored: Mapping[str, Any]) -> Mapping[str, Any]:
    """``model`` and ``task``, as fairseq has them."""
    funasr = stored.get("model_conf")
    if isinstance(funasr, Mapping):
        return {"model": funasr, "task": {"normalize": funasr["normalize"]} if "normalize" in funasr else {}}
    if stored and not isinstance(stored.get("model"), Mapping):
        raise UnsupportedArchitecture(
            "the configuration describes no network: it has neither a section 'model' nor 'model_conf'. "
            "Give the right one with --config FILE.yaml."
        )
    return stored


class _Reader:
    def __init__(self, stored: Mapping[str, Any], told: Mapping[str, Any]) -> None:
        self.stored, self.told = stored, told
        self.as_in_base: list[str] = []

    def read(self, labels: Sequence[str]) -> Architecture:
        self._check_modality()
        for path, needed in _FIXED.items():
            value = self._get(path)
            if value is not None and value != needed:
                raise UnsupportedArchitecture(
                    f"{path} is {value!r} in the stored configuration; this network has it as {needed!r} only"
                )
        values = {name: self._value(name, path) for name, path in (_SHAPE | _TRAINING).items()}
        values["conv_layers"] = self._conv_layers()
        values |= self._alibi() | self._decoder()
        normalize = self._flag("task.normalize")
        values["normalize"] = bool(labels) if normalize is None else normalize
        if problem := impossible(values):
            raise UnsupportedArchitecture(problem)
        assumed = [f"as in emotion2vec-base: {', '.join(self.as_in_base)}"] if self.as_in_base else []
        if normalize is None:
            assumed.append(
                "clips are normalised first, as in emotion2vec+, which has a head"
                if labels
                else "clips are not normalised first, as in the script released with Emotion2Vec-S"
            )
        return Architecture(Emotion2VecSConfig(**values, labels=labels), assumed)

    def _get(self, path: str, depth: int = 0) -> Any:
        """A value of the stored configuration; None where there is none. What leads to another value is followed."""
        value: Any = self.stored
        for part in path.split("."):
            if not isinstance(value, Mapping):
                return None
            value = value.get(part, value.get(part.upper()) if part == "audio" else None)
        led = _INTERPOLATION.fullmatch(value) if isinstance(value, str) else None
        if led and depth > 8:
            raise UnsupportedArchitecture(f"{path} of the stored configuration leads in a circle")
        if led:
            return self._get(led[1], depth + 1)
        return None if value == _NOT_SET else value

    def _value(self, name: str, path: str) -> Any:
        """One number: as stored, else as the shapes tell, else as in emotion2vec-base."""
        default = getattr(Emotion2VecSConfig(), name)
        value = self._get(path)
        if value is None:
            if name in self.told:
                return self.told[name]
            if name == "num_heads":
                raise UnsupportedArchitecture(
                    "nothing tells how many heads attention has: give the configuration with --config FILE.yaml"
                )
            self.as_in_base.append(f"{name} {default}")
            return default
        kinds = (int,) if isinstance(default, int) else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not 0 <= value <= HIGHEST:
            kind = "a whole number" if kinds == (int,) else "a number"
            raise UnsupportedArchitecture(
                f"{path} of the stored configuration is {value!r}, not {kind} from 0 to {HIGHEST}"
            )
        return type(default)(value)

    def _flag(self, path: str) -> bool | None:
        value = self._get(path)
        if value is not None and not isinstance(value, bool):
            raise UnsupportedArchitecture(f"{path} of the stored configuration is {value!r}, neither true nor false")
        return value

    def _check_modality(self) -> None:
        for path in ("model.supported_modality", f"{AUDIO}.type"):
            value = self._get(path)
            if value is not None and value not in _AUDIO_NAMES:
                raise UnsupportedArchitecture(f"{path} is {value!r}: only networks over audio can be converted")
        modalities = self._get("model.modalities")
        if modalities is not None and self._get(AUDIO) is None:
            raise UnsupportedArchitecture("model.modalities of the stored configuration has no audio")

    def _conv_layers(self) -> list[tuple[int, int, int]]:
        text = self._get(f"{AUDIO}.feature_encoder_spec")
        if text is not None:
            return conv_layers(str(text))
        told = self.told.get("channels_and_kernels", [])
        if [kernel for _, kernel in told] != [kernel for _, kernel, _ in CONV_LAYERS]:
            raise UnsupportedArchitecture(
                "nothing tells the strides of the convolutions over the waveform: give the configuration with --config FILE.yaml"
            )
        strides = [stride for _, _, stride in CONV_LAYERS]
        self.as_in_base.append(f"strides {' '.join(map(str, strides))} of the convolutions")
        return [(channels, kernel, stride) for (channels, kernel), stride in zip(told, strides, strict=True)]

    def _alibi(self) -> dict[str, Any]:
        used = self._flag(f"{AUDIO}.use_alibi_encoder")
        if not (self.told["use_alibi"] if used is None else used):
            return {"use_alibi": False}
        alibi: dict[str, Any] = {"use_alibi": True}
        if self._get(path := f"{AUDIO}.num_alibi_heads") is not None:
            alibi["num_alibi_heads"] = self._value("num_alibi_heads", path)
        if self._flag(f"{AUDIO}.learned_alibi_scale") is False:
            scale = self._value("alibi_scale", f"{AUDIO}.alibi_scale")
            return {**alibi, "learned_alibi_scale": "none", "alibi_scale": scale}
        per_head = self._flag(f"{AUDIO}.learned_alibi_scale_per_head")
        if per_head is None:
            per_head = self.told.get("alibi_per_head", True)
        return {**alibi, "learned_alibi_scale": "per_head" if per_head else "shared"}

    def _decoder(self) -> dict[str, Any]:
        if self.told["decoder_layers"] == 0:
            return {"decoder_layers": 0}
        return {name: self._value(name, path) for name, path in _DECODER.items()}


def conv_layers(text: str) -> list[tuple[int, int, int]]:
    """``[(512, 10, 5)] + [(512, 3, 2)] * 4`` as a list; fairseq runs this text as code, here it is only read.

    Raises
    ------
    UnsupportedArchitecture : it is anything but lists of three whole numbers, added and repeated
    """

    def read(node: ast.expr) -> list[tuple[int, int, int]]:
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return read(node.left) + read(node.right)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
            many, times = (node.left, node.right) if isinstance(node.right, ast.Constant) else (node.right, node.left)
            repeated = read(many)
            if len(repeated) * number(times) > MOST_LAYERS:
                raise ValueError
            return repeated * number(times)
        if isinstance(node, ast.List):
            found = []
            for layer in node.elts:
                if not isinstance(layer, ast.Tuple) or len(layer.elts) != 3:
                    raise ValueError
                channels, kernel, stride = (number(part) for part in layer.elts)
                found.append((channels, kernel, stride))
            return found
        raise ValueError

    def number(node: ast.expr) -> int:
        if not isinstance(node, ast.Constant) or type(node.value) is not int or not 0 <= node.value <= HIGHEST:
            raise ValueError
        return node.value

    try:
        layers = read(ast.parse(text[:1000].strip(), mode="eval").body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        layers = []
    if not 0 < len(layers) <= MOST_LAYERS:
        raise UnsupportedArchitecture(
            f"{AUDIO}.feature_encoder_spec is {text[:200]!r}, not a list of (channels, kernel, stride)"
        )
    return layers
