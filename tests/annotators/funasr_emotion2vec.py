"""A small emotion2vec+ with random weights in FunASR's own format, made by FunASR's own code."""

from pathlib import Path
from typing import Any

import torch
import yaml

from tests.model.emotion2vec_s.released.released_files import PLUS_LABELS


def model_conf(heads: int, width: int) -> dict[str, Any]:
    """As in the published ``config.yaml``, but small, and with a shorter local encoder."""
    audio = {
        "type": "AUDIO",
        "prenet_depth": 1,
        "prenet_layerdrop": 0.05,
        "prenet_dropout": 0.1,
        "start_drop_path_rate": 0.0,
        "end_drop_path_rate": 0.0,
        "num_extra_tokens": 10,
        "init_extra_token_zero": False,
        "mask_noise_std": 0.01,
        "mask_prob_min": None,
        "mask_prob": 0.5,
        "inverse_mask": False,
        "mask_prob_adjust": 0.05,
        "keep_masked_pct": 0.0,
        "mask_length": 5,
        "add_masks": False,
        "remove_masks": False,
        "mask_dropout": 0.0,
        "encoder_zero_mask": True,
        "mask_channel_prob": 0.0,
        "mask_channel_length": 64,
        "ema_local_encoder": False,
        "local_grad_mult": 1.0,
        "use_alibi_encoder": True,
        "alibi_scale": 1.0,
        "learned_alibi": False,
        "alibi_max_pos": None,
        "learned_alibi_scale": True,
        "learned_alibi_scale_per_head": True,
        "learned_alibi_scale_per_layer": False,
        "num_alibi_heads": heads,
        "model_depth": 2,
        "decoder": None,
        "extractor_mode": "layer_norm",
        "feature_encoder_spec": "[(32, 10, 5)] + [(32, 3, 2)] * 4 + [(32,2,2)] + [(32,2,2)]",
        "conv_pos_width": 95,
        "conv_pos_groups": 16,
        "conv_pos_depth": 5,
        "conv_pos_pre_ln": False,
    }
    return {
        "loss_beta": 0.0,
        "loss_scale": None,
        "depth": 2,
        "start_drop_path_rate": 0.0,
        "end_drop_path_rate": 0.0,
        "num_heads": heads,
        "norm_eps": 1e-5,
        "norm_affine": True,
        "encoder_dropout": 0.1,
        "post_mlp_drop": 0.1,
        "attention_dropout": 0.1,
        "activation_dropout": 0.0,
        "dropout_input": 0.0,
        "layerdrop": 0.05,
        "embed_dim": width,
        "mlp_ratio": 4.0,
        "layer_norm_first": False,
        "average_top_k_layers": 2,
        "end_of_block_targets": False,
        "clone_batch": 8,
        "normalize": True,
        "modalities": {"audio": audio},
    }


def save_funasr_model(folder: Path, heads: int, width: int) -> Path:
    """``config.yaml``, ``tokens.txt`` and ``model.pt``; every parameter has a say."""
    from funasr.models.emotion2vec.model import Emotion2vec

    conf = model_conf(heads, width)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Emotion2vec(model_conf=conf, vocab_size=len(PLUS_LABELS))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter += 0.1 * torch.randn_like(parameter)
    folder.mkdir(parents=True)
    config = {
        "model": "Emotion2vec",
        "model_conf": conf,
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
        "scope_map": ["d2v_model.", "none"],
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config, allow_unicode=True), "utf-8")
    (folder / "tokens.txt").write_text("\n".join(PLUS_LABELS) + "\n", "utf-8")
    torch.save({"model": network.state_dict()}, folder / "model.pt")
    return folder
