"""Files in the form of the released ones, made without fairseq."""

import argparse
import copy
import io
import pickle
import sys
import types
import zipfile
from collections import OrderedDict, defaultdict
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from model.emotion2vec_s.pretraining.student import Emotion2VecSForPreTraining
from tests.model.emotion2vec_s.golden import small_config

FEATURE_ENCODER = "[(32, 10, 5)] + [(32, 3, 2)] * 4 + [(32,2,2)] + [(32,2,2)]"
FULL_FEATURE_ENCODER = FEATURE_ENCODER.replace("32", "512")

PLUS_LABELS = (
    "生气/angry",
    "厌恶/disgusted",
    "恐惧/fearful",
    "开心/happy",
    "中立/neutral",
    "其他/other",
    "难过/sad",
    "吃惊/surprised",
    "<unk>",
)
"""Classes of the published emotion2vec+, as its ``tokens.txt`` writes them."""


def stored_config(**model: Any) -> dict[str, Any]:
    """The configuration of the small golden network as fairseq stores it; ``audio`` changes that part of it."""
    audio = {
        "type": "AUDIO",
        "prenet_depth": 2,
        "prenet_layerdrop": 0.05,
        "prenet_dropout": 0.1,
        "num_extra_tokens": 10,
        "mask_prob": 0.5,
        "use_alibi_encoder": True,
        "alibi_scale": 1.0,
        "learned_alibi": False,
        "learned_alibi_scale": True,
        "learned_alibi_scale_per_head": True,
        "learned_alibi_scale_per_layer": False,
        "num_alibi_heads": "${model.num_heads}",
        "model_depth": "${model.depth}",
        "decoder": {
            "input_dropout": 0.1,
            "decoder_dim": 384,
            "decoder_groups": 16,
            "decoder_kernel": 7,
            "decoder_layers": 4,
            "projection_layers": 1,
            "add_positions_masked": False,
            "add_positions_all": False,
            "decoder_residual": True,
        },
        "extractor_mode": "layer_norm",
        "feature_encoder_spec": FEATURE_ENCODER,
        "conv_pos_width": 95,
        "conv_pos_groups": 16,
        "conv_pos_depth": 5,
        "conv_pos_pre_ln": False,
        **model.pop("audio", {}),
    }
    return {
        "_name": None,
        "model": {
            "_name": "data2vec_multi",
            "depth": 2,
            "num_heads": 12,
            "norm_eps": 1e-5,
            "norm_affine": True,
            "encoder_dropout": 0.1,
            "post_mlp_drop": 0.1,
            "attention_dropout": 0.1,
            "activation_dropout": 0.0,
            "layerdrop": 0.05,
            "embed_dim": 96,
            "mlp_ratio": 4.0,
            "layer_norm_first": False,
            "supported_modality": "AUDIO",
            "modalities": {"_name": None, "audio": audio},
            **model,
        },
        "task": {"_name": "audio_pretraining", "normalize": False},
    }


def small_weights(seed: int = 0) -> dict[str, Tensor]:
    """Random weights of the small golden network, under the released names."""
    generator = torch.Generator().manual_seed(seed)
    with torch.device("meta"):
        shapes = Emotion2VecSForPreTraining(small_config()).state_dict()
    return {name: torch.randn(value.shape, generator=generator) for name, value in shapes.items()}


def fairseq_file(path: Path, weights: dict[str, Any], config: Any, *, legacy: bool = False, **more: Any) -> Path:
    """What ``checkpoint_utils.save_checkpoint`` of fairseq writes."""
    wrapper = {
        "args": None,
        "cfg": config,
        "model": weights,
        "criterion": None,
        "optimizer_history": [
            {"optimizer_name": "FairseqAdam", "lr_scheduler_state": {"best": None}, "num_updates": 7}
        ],
        "task_state": {},
        "extra_state": {"train_iterator": {"epoch": 1}, "val_loss": np.float64(0.5), "metrics": OrderedDict(a=1)},
        **more,
    }
    torch.save(wrapper, path, _use_new_zipfile_serialization=not legacy)
    return path


def with_config_types(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The same configuration as fairseq before 0.12.3 stores it: types of omegaconf, of fairseq's dataclasses and enumerations."""
    from omegaconf import OmegaConf

    for name in ("fairseq", "fairseq.dataclass", "fairseq.dataclass.made_for_a_test"):
        module = types.ModuleType(name)
        monkeypatch.setitem(sys.modules, name, module)

    class Modality(Enum):
        AUDIO = 1
        IMAGE = 2

    @dataclass
    class Optimization:
        modality: Modality = Modality.AUDIO
        lr: list[float] = field(default_factory=lambda: [7.5e-5])
        betas: tuple[float, float] = (0.9, 0.99)
        max_update: int | None = None

    for kind in (Modality, Optimization):
        kind.__module__, kind.__qualname__ = module.__name__, kind.__name__
        setattr(module, kind.__name__, kind)
    made = copy.deepcopy(config)
    made["model"]["supported_modality"] = Modality.AUDIO
    typed = OmegaConf.create(made)
    typed.optimization = OmegaConf.structured(Optimization)
    typed._set_flag("struct", True)
    return typed  # type: ignore[return-value]


def other_types() -> dict[str, Any]:
    """Plain containers that a training run may leave in its file."""
    return {
        "namespace": argparse.Namespace(lr=[1e-4], name="x"),
        "default": defaultdict(list, {"a": [1]}),
        "set": {1, 2},
    }


class Payload:
    """Calls something when it is read by an unpickler that lets it."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def legacy_pickles(path: Path, *, at: int, payload: Any) -> Path:
    """A file in the old format with something of our own in one of its five pickles."""
    parts: list[Any] = [0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}, {"model": {}}, []]
    parts[at] = payload if at else {"magic": payload}
    pickles = [pickle.dumps(part, protocol=2) for part in parts]
    if at == 0:  # the number that tells the format, and then more than it
        pickles[0] = pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2)
        pickles[1] = pickle.dumps(payload, protocol=2)
    path.write_bytes(b"".join(pickles))
    return path


def archive(path: Path, entries: list[tuple[str, bytes]], compression: int = zipfile.ZIP_STORED) -> Path:
    """A zip file made by hand."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", compression) as file:
        for name, content in entries:
            file.writestr(name, content)
    path.write_bytes(made.getvalue())
    return path
