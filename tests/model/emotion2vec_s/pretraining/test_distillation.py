import io

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from model.emotion2vec_s.pretraining import (
    Emotion2VecSForPreTraining,
    PreTrainingOutput,
    SelfDistillation,
    distillation,
)
from tests.model.emotion2vec_s.pretraining.tiny import buzzes, tiny_config, tiny_distillation, tiny_training

PARTS = ("loss_frame", "loss_utterance", "loss_category")


def gradients(model: SelfDistillation, batch: dict[str, Tensor]) -> tuple[PreTrainingOutput, dict[str, Tensor]]:
    model.zero_grad()
    output = model(**batch)
    output.loss.backward()
    return output, {name: weight.grad for name, weight in model.named_parameters() if weight.requires_grad}


def test_padding_changes_nothing() -> None:
    model = tiny_distillation()
    batch = buzzes(4)
    longer = {**batch, "waveforms": F.pad(batch["waveforms"], (0, 7000), value=0.7)}
    output, found = gradients(model, batch)
    padded, padded_found = gradients(model, longer)
    for name in output:
        torch.testing.assert_close(padded[name], output[name], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(padded_found, found, atol=1e-4, rtol=1e-3)


def test_the_order_of_clips_changes_nothing() -> None:
    model = tiny_distillation()
    batch = buzzes(4)
    output, shuffled = model(**batch), model(**{name: value[[2, 0, 3, 1]] for name, value in batch.items()})
    for name in output:
        torch.testing.assert_close(shuffled[name], output[name], atol=1e-5, rtol=1e-5)


def test_the_loss_is_the_weighted_sum_of_its_parts() -> None:
    model = tiny_distillation(frame_weight=2.0, utterance_weight=3.0, category_weight=5.0)
    output = model(**buzzes(4))
    torch.testing.assert_close(
        output.loss, 2 * output.loss_frame + 3 * output.loss_utterance + 5 * output.loss_category
    )


def test_every_weight_of_the_student_learns_and_none_of_the_teacher() -> None:
    model = tiny_distillation()
    _, found = gradients(model, buzzes(4))
    assert all(gradient is not None and gradient.any() for gradient in found.values())
    assert all(weight.grad is None for weight in model.teacher.parameters())


def test_clips_without_labels_train_all_but_the_categories() -> None:
    batch = buzzes(4)
    batch["labels"] = torch.full_like(batch["labels"], -100)
    output, found = gradients(tiny_distillation(), batch)
    assert output.loss_category == 0
    assert all(gradient.isfinite().all() for gradient in found.values())


def test_losses_fall() -> None:
    torch.manual_seed(0)
    shape = tiny_config(encoder_dropout=0.1, attention_dropout=0.1, layerdrop=0.05)
    # Targets of one block keep their variance; those of two grow as the blocks come to say the same, and the distance with them.
    model = SelfDistillation(Emotion2VecSForPreTraining(shape), tiny_training(average_top_k_layers=1))
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=1e-3)
    outputs = []
    for step in range(100):
        optimizer.param_groups[0]["lr"] = 1e-3 * min(1, (step + 1) / 10)
        output = model(**buzzes(8, seed=step))
        optimizer.zero_grad()
        output.loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 5.0)
        optimizer.step()
        model.update_teacher(step)
        outputs.append(output)
    for name in PARTS:
        first, last = (sum(output[name].item() for output in part) for part in (outputs[:5], outputs[-5:]))
        assert last < 0.9 * first, name
    assert outputs[-1].target_variance > model.config.min_target_variance
    assert outputs[-1].prediction_variance > model.config.min_prediction_variance


def test_clips_of_different_lengths_go_apart_and_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_distillation()
    batch = buzzes(6, longest=16_000)
    batch["lengths"] = torch.tensor([16_000, 2000, 15_000, 2100, 1900, 14_000])
    assert len(distillation.length_groups(batch["lengths"].tolist())) == 2
    output, found = gradients(model, batch)
    monkeypatch.setattr(distillation, "length_groups", lambda lengths: [list(range(len(lengths)))])
    together, together_found = gradients(model, batch)
    for name in output:
        torch.testing.assert_close(output[name], together[name], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found, together_found, atol=1e-4, rtol=1e-3)


def test_a_collapsed_network_shows_in_the_variances() -> None:
    model = tiny_distillation()
    with torch.no_grad():
        for block in model.teacher.network.blocks:
            block.mlp.fc2.weight.zero_()
        model.student.audio.decoder.proj.weight.zero_()
    output = model(**buzzes(4))
    assert float(output.target_variance) < model.config.min_target_variance
    assert float(output.prediction_variance) < model.config.min_prediction_variance


def test_training_resumes_from_its_state() -> None:
    model = tiny_distillation(ema_decay=0.5, ema_end_decay=0.5)
    with torch.no_grad():
        for weight in model.student.parameters():
            weight.mul_(1.1)
    model.update_teacher(0)
    saved = io.BytesIO()
    torch.save(model.state_dict(), saved)
    saved.seek(0)
    torch.manual_seed(1)
    again = SelfDistillation(Emotion2VecSForPreTraining(tiny_config()), model.config)
    again.load_state_dict(torch.load(saved, weights_only=True))
    batch = buzzes(4)
    output, resumed = model(**batch), again(**batch)
    assert all(torch.equal(output[name], resumed[name]) for name in output)


def test_lower_precision_comes_from_autocast() -> None:
    model = tiny_distillation()
    batch = buzzes(4)
    output = model(**batch)
    with torch.autocast("cpu", torch.bfloat16):
        lower = model(**batch)
    lower.loss.backward()
    for name in output:
        torch.testing.assert_close(lower[name], output[name], atol=0.05, rtol=0.05)


def test_weights_of_lower_precision_are_trained_in_full() -> None:
    model = SelfDistillation(Emotion2VecSForPreTraining(tiny_config()).bfloat16(), tiny_training())
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
