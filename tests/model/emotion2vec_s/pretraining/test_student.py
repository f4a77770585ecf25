import json
from pathlib import Path

import torch
from torch import Tensor

from model.emotion2vec_s import Emotion2VecS, Emotion2VecSConfig
from model.emotion2vec_s.pretraining import Emotion2VecSForPreTraining, PreTrainingConfig
from model.emotion2vec_s.pretraining.masking import draw_masks
from tests.model.emotion2vec_s.golden import Golden, small_config
from tests.model.emotion2vec_s.pretraining.tiny import buzzes, tiny_config, tiny_distillation
from tests.packages import require


def test_names_and_shapes_are_those_of_the_released_file(golden: Golden) -> None:
    with torch.device("meta"):
        ours = Emotion2VecSForPreTraining(Emotion2VecSConfig()).state_dict()
    assert {name: list(value.shape) for name, value in ours.items()} == json.loads(golden.keys_file.read_text())


def released(golden: Golden) -> Emotion2VecSForPreTraining:
    student = Emotion2VecSForPreTraining(small_config(decoder_dim=48)).eval()
    student.load_state_dict(golden.weights)
    return student


def test_masked_copies_give_what_the_released_network_gives(golden: Golden) -> None:
    require("funasr", "pip install 'emotrove[sensevoice]'")
    student, reference = released(golden), funasr_network(golden)
    config = PreTrainingConfig(clone_batch=3)
    wav = golden["wav_0"][None, :20_000]
    with torch.no_grad():
        local = student.audio.local(wav, torch.tensor([20_000]))
        masks = draw_masks(local.lengths.tolist(), local.frames.shape[1], [5], config)
        tokens, seen = student.see(local, masks)
        predicted = student.fill(seen, torch.zeros(*masks.masked.shape, 96), masks)

        audio = reference.modality_encoders["AUDIO"]
        found = audio(wav, None, mask=True, remove_masked=True, clone_batch=3, precomputed_mask=masks.masked)
        x = found["x"]
        for block in reference.blocks:
            x, _ = block(x, padding_mask=None, alibi_bias=found["alibi_bias"])
        filled = audio.decoder(*audio.decoder_input(x, found["encoder_mask"]))
    torch.testing.assert_close(tokens, x[:, :10], atol=1e-4, rtol=0)
    order = found["encoder_mask"].ids_keep[..., :1].argsort(dim=1)  # its frames are in no order
    torch.testing.assert_close(seen, x[:, 10:].gather(1, order.expand(-1, -1, 96)), atol=1e-4, rtol=0)
    torch.testing.assert_close(predicted, filled[masks.masked], atol=1e-4, rtol=0)


def funasr_network(golden: Golden) -> torch.nn.Module:
    from funasr.models.emotion2vec.model import Emotion2vec

    shape = small_config(decoder_dim=48)
    width, kernel, stride = zip(*shape.conv_layers, strict=True)
    audio = {
        "feature_encoder_spec": str([tuple(layer) for layer in zip(width, kernel, stride, strict=True)]),
        "extractor_mode": "layer_norm",
        "conv_pos_depth": shape.conv_pos_depth,
        "conv_pos_width": shape.conv_pos_width,
        "conv_pos_groups": shape.conv_pos_groups,
        "conv_pos_pre_ln": False,
        "prenet_depth": shape.prenet_depth,
        "model_depth": shape.depth,
        "prenet_layerdrop": 0.0,
        "prenet_dropout": 0.0,
        "start_drop_path_rate": 0.0,
        "end_drop_path_rate": 0.0,
        "num_extra_tokens": shape.num_extra_tokens,
        "init_extra_token_zero": True,
        "mask_noise_std": 0.0,
        "mask_channel_prob": 0.0,
        "mask_length": 5,
        "mask_prob": 0.5,
        "keep_masked_pct": 0,
        "encoder_zero_mask": True,
        "inverse_mask": False,
        "local_grad_mult": 1.0,
        "use_alibi_encoder": True,
        "learned_alibi": False,
        "alibi_scale": 1.0,
        "num_alibi_heads": shape.num_heads,
        "learned_alibi_scale": True,
        "learned_alibi_scale_per_head": True,
        "learned_alibi_scale_per_layer": False,
        "decoder": {
            "input_dropout": 0.0,
            "decoder_dim": shape.decoder_dim,
            "decoder_groups": shape.decoder_groups,
            "decoder_kernel": shape.decoder_kernel,
            "decoder_layers": shape.decoder_layers,
            "projection_layers": 1,
            "projection_ratio": 2.0,
            "decoder_residual": True,
            "add_positions_masked": False,
            "add_positions_all": False,
        },
    }
    model = {
        "modalities": {"audio": audio},
        "depth": shape.depth,
        "embed_dim": shape.hidden_size,
        "num_heads": shape.num_heads,
        "mlp_ratio": shape.mlp_ratio,
        "norm_eps": shape.norm_eps,
        "norm_affine": True,
        "layer_norm_first": False,
        "end_of_block_targets": False,
        "start_drop_path_rate": 0.0,
        "end_drop_path_rate": 0.0,
        **dict.fromkeys(
            ("encoder_dropout", "attention_dropout", "activation_dropout", "post_mlp_drop", "dropout_input"), 0.0
        ),
    }
    network = Emotion2vec(model_conf=model).eval()
    network.load_state_dict(golden.weights)
    return network


def test_what_is_masked_is_not_seen() -> None:
    model = tiny_distillation()
    batch = buzzes(2)
    local = model.student.audio.local(batch["waveforms"], batch["lengths"])
    masks = draw_masks(local.lengths.tolist(), local.frames.shape[1], [1, 2], PreTrainingConfig(clone_batch=1))

    def given(frames: Tensor) -> tuple[Tensor, Tensor]:
        local.frames = frames
        return model.student.see(local, masks)

    tokens, seen = given(local.frames.detach())
    louder = given(local.frames + masks.masked[..., None] * 3.0)
    torch.testing.assert_close(louder, (tokens, seen))
    other = given(local.frames - masks.masked[..., None] * 3.0 + (~masks.masked)[..., None] * 3.0)
    assert not torch.allclose(other[1], seen, atol=1e-2)


def test_what_a_student_saves_the_network_loads_and_back(tmp_path: Path) -> None:
    student = tiny_distillation().student
    student.save_pretrained(tmp_path)
    network = Emotion2VecS.from_pretrained(tmp_path)
    again = Emotion2VecSForPreTraining.from_pretrained(tmp_path)
    weights = student.state_dict()
    assert all(torch.equal(value, weights[name]) for name, value in network.state_dict().items())
    assert all(torch.equal(value, weights[name]) for name, value in again.state_dict().items())
    assert again.state_dict().keys() == weights.keys()


def test_a_decoder_that_is_not_in_the_file_starts_afresh_and_a_head_is_left_behind(tmp_path: Path) -> None:
    network = Emotion2VecS(tiny_config(labels=["angry", "sad"]))
    network.save_pretrained(tmp_path)
    student = Emotion2VecSForPreTraining.from_pretrained(tmp_path)
    assert student.head is None
    assert student.config.labels == []
    weights = network.state_dict()
    for name, value in student.state_dict().items():
        if ".decoder." not in name:
            assert torch.equal(value, weights[name])
        elif name.endswith("weight"):
            assert 0.01 < float(value.std()) < 0.5
            assert float(value.abs().max()) < 1


def test_utterance_tokens_begin_different() -> None:
    tokens = Emotion2VecSForPreTraining(tiny_config()).audio.extra_tokens[0].detach()
    assert float(torch.pdist(tokens).min()) > 1
