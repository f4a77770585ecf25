import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from model.emotion2vec_s.pretraining.losses import category_loss, regression_loss, spread


def slow_category_loss(embeddings: Tensor, labels: list[int], temperature: float) -> float:
    """Clip by clip, view by view."""
    losses = []
    for view in range(embeddings.shape[1]):
        vectors = [F.normalize(row[view], dim=0) for row in embeddings]
        for anchor, label in enumerate(labels):
            members: dict[int, list[Tensor]] = {}
            for clip, other in enumerate(labels):
                if clip != anchor and other != -100:
                    members.setdefault(other, []).append(vectors[clip])
            if label not in members:
                continue
            scores = {
                emotion: math.exp(float(F.normalize(torch.stack(found).mean(0), dim=0) @ vectors[anchor]) / temperature)
                for emotion, found in members.items()
            }
            losses.append(-math.log(scores[label] / sum(scores.values())))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("temperature", [0.1, 1.0])
@pytest.mark.parametrize("labels", [[0, 1, 0, 1, 2], [0, 0, -100, 1, 0], [3, 3, 3, 3, 3], [-100, 1, -100, 1, 2]])
def test_contrast_is_what_a_direct_computation_gives(labels: list[int], temperature: float) -> None:
    embeddings = torch.randn(5, 3, 8, generator=torch.Generator().manual_seed(0))
    found = category_loss(embeddings, torch.tensor(labels), temperature)
    assert float(found) == pytest.approx(slow_category_loss(embeddings, labels, temperature), abs=1e-5)


@pytest.mark.parametrize("labels", [[-100, -100, -100], [-100, 4, -100], [0, 1, 2], []])
def test_contrast_is_zero_where_no_clip_has_a_match(labels: list[int]) -> None:
    embeddings = torch.randn(len(labels), 2, 8, requires_grad=True)
    loss = category_loss(embeddings, torch.tensor(labels, dtype=torch.int64), 0.1)
    assert float(loss.detach()) == 0
    loss.backward()
    assert embeddings.grad is not None
    assert not embeddings.grad.any()
    assert embeddings.grad.isfinite().all()


def test_contrast_pulls_clips_of_an_emotion_together_and_leaves_unlabelled_clips_alone() -> None:
    embeddings = torch.randn(5, 2, 8, generator=torch.Generator().manual_seed(1)).requires_grad_()
    labels = torch.tensor([0, 0, 1, 1, -100])
    before = category_loss(embeddings, labels, 0.1)
    before.backward()
    assert embeddings.grad is not None
    assert not embeddings.grad[4].any()
    assert embeddings.grad[:4].flatten(1).norm(dim=1).min() > 0
    moved = embeddings.detach() - 0.05 * embeddings.grad
    assert category_loss(moved, labels, 0.1) < before


def test_regression_is_squared_distance_over_the_root_of_the_dimension() -> None:
    predicted, target = torch.randn(6, 16), torch.randn(6, 16)
    expected = sum(float(((p - t) ** 2).sum()) / 4 for p, t in zip(predicted, target, strict=True)) / 6
    assert float(regression_loss(predicted, target)) == pytest.approx(expected, rel=1e-5)
    assert float(regression_loss(predicted[:0], target[:0])) == 0


def test_spread_is_the_standard_deviation_of_the_channels() -> None:
    rows = torch.randn(50, 4) * torch.tensor([1.0, 2.0, 3.0, 4.0]) + 5
    assert float(spread(rows)) == pytest.approx(float(rows.std(0).mean()), rel=1e-4)
    assert float(spread(torch.full((50, 4), 3.0))) == pytest.approx(1e-3, rel=0.1)
