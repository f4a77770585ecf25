import pytest
import torch
import torch.nn.functional as F

from manifests.errors import ConfigError
from model.emotion2vec_s.pretraining import Emotion2VecSForPreTraining, PreTrainingConfig
from model.emotion2vec_s.pretraining.teacher import Teacher
from tests.model.emotion2vec_s.pretraining.tiny import buzzes, tiny_config, tiny_distillation


def test_targets_are_what_a_direct_computation_gives() -> None:
    model = tiny_distillation()
    batch = buzzes(3)
    with torch.no_grad():
        targets = model.teacher.targets(model.student.audio.local(batch["waveforms"], batch["lengths"]))
    heard: list[torch.Tensor] = []
    for block in model.student.blocks:
        block.mlp.register_forward_hook(lambda _module, _given, found: heard.append(found))
    for clip, length in enumerate(batch["lengths"].tolist()):
        heard.clear()
        with torch.no_grad():
            model.student.eval()(batch["waveforms"][clip : clip + 1, :length])
        assert len(heard) == 2
        layers = [found[0, 10:] for found in heard]
        normed = [F.instance_norm(layer.t()[None])[0].t() for layer in layers]
        frames = len(layers[0])
        torch.testing.assert_close(targets.frames[clip, :frames], sum(normed) / 2, atol=1e-4, rtol=0)
        assert not targets.frames[clip, frames:].any()
        means = [F.layer_norm(layer.mean(0), (32,)) for layer in layers]
        torch.testing.assert_close(targets.utterance[clip], sum(means) / 2, atol=1e-4, rtol=0)


def test_only_the_top_blocks_make_the_target() -> None:
    model = tiny_distillation()
    batch = buzzes(2)
    with torch.no_grad():
        local = model.student.audio.local(batch["waveforms"], batch["lengths"])
        both = Teacher(model.student, 2).targets(local).frames
        top = Teacher(model.student, 1).targets(local).frames
    assert not torch.allclose(both, top)


def test_more_blocks_than_there_are_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"average_top_k_layers is 8, but .* 2 blocks .* Set .* to 2 or less"):
        Teacher(Emotion2VecSForPreTraining(tiny_config()), PreTrainingConfig().average_top_k_layers)


def test_the_teacher_shares_the_waveform_encoder_and_averages_the_rest() -> None:
    model = tiny_distillation()
    own = {name for name, _ in model.teacher.network.named_parameters()}
    shared = ("local_encoder.", "project_features.", "decoder.")
    assert own == {name for name, _ in model.student.named_parameters() if not any(part in name for part in shared)}
    assert not any(weight.requires_grad for weight in model.teacher.parameters())


def test_the_teacher_stays_in_inference_mode() -> None:
    assert not any(module.training for module in tiny_distillation().train().teacher.modules())


def test_the_teacher_is_the_average_of_the_student() -> None:
    model = tiny_distillation(ema_decay=0.9, ema_end_decay=0.99, ema_anneal_steps=10)
    expected = {name: weight.clone() for name, weight in model.teacher.network.named_parameters()}
    for step in range(3):
        with torch.no_grad():
            for weight in model.student.parameters():
                weight.add_(torch.randn_like(weight))
        decay = 0.9 + 0.09 * step / 10
        theirs = dict(model.student.named_parameters())
        expected = {name: decay * weight + (1 - decay) * theirs[name] for name, weight in expected.items()}
        model.update_teacher(step)
    for name, weight in model.teacher.network.named_parameters():
        torch.testing.assert_close(weight, expected[name], atol=1e-6, rtol=1e-5)


def test_the_decay_grows_to_its_end_and_stays() -> None:
    config = PreTrainingConfig()
    assert config.teacher_decay(0) == 0.999
    assert config.teacher_decay(37_500) == pytest.approx(0.999495)
    assert config.teacher_decay(75_000) == pytest.approx(0.99999)
    assert config.teacher_decay(1_000_000) == pytest.approx(0.99999)
    with pytest.raises(ValueError, match="ema_end_decay must not be below ema_decay"):
        PreTrainingConfig(ema_decay=0.9, ema_end_decay=0.8)
