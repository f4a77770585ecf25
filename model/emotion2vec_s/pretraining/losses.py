"""The three losses of Emotion2Vec-S, each averaged over the whole batch of all workers, and a measure of collapse."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from model.emotion2vec_s.pretraining.workers import gathered, total

UNLABELLED = -100
"""Label of a clip whose emotion is not known."""


def regression_loss(predicted: Tensor, target: Tensor) -> Tensor:
    """Squared distance divided by √dimension, mean over all rows of all workers, as in data2vec 2.0.

    Parameters
    ----------
    predicted, target : (n, D); n may differ between workers, and may be 0
    """
    squared = (predicted.float() - target).square().sum() / math.sqrt(predicted.shape[-1])
    rows = squared.new_tensor(len(predicted))
    summed, count = total(torch.stack([squared, rows]))
    return summed / count.clamp_min(1)


def category_loss(embeddings: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """Contrast between emotions over the labelled clips of all workers.

    As in CLIP, each clip is to be found among all others by its cosine similarity; as in supervised contrast (Khosla et al. 2020,
    equation 2), the right answers are all clips of the same emotion, each with the same share. Mean over the clips that have one;
    of n right answers each it is ln n at best. Zero, with a gradient of zero, where no clip has one.

    Parameters
    ----------
    embeddings : (B, K, D), K views of each clip. View k of a clip is compared with view k of the other clips only: another view
        of the same clip would be too easy to find
    labels : (B,) int64, -100 for unlabelled clips, which take no part
    """
    labels = gathered(labels, UNLABELLED)
    embeddings = gathered(F.normalize(embeddings.float(), dim=-1))
    known = (labels != UNLABELLED).nonzero().squeeze(1)
    labels, embeddings = labels[known], embeddings[known].transpose(0, 1)
    alone = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    alike = (labels[:, None] == labels) & ~alone
    likely = (embeddings @ embeddings.transpose(1, 2) / temperature).masked_fill(alone, float("-inf"))
    likely = likely.log_softmax(-1).masked_fill(~alike, 0)
    shares = alike / alike.sum(1, keepdim=True).clamp_min(1)
    anchors = alike.any(1).sum().clamp_min(1) * len(likely)
    return -(likely * shares).sum() / anchors


@torch.no_grad()
def spread(rows: Tensor) -> Tensor:
    """What data2vec 2.0 reports as variance: standard deviation over all rows of all workers, mean over the channels.

    Parameters
    ----------
    rows : (n, D)
    """
    rows = rows.float()
    count = rows.new_full((1, rows.shape[1]), len(rows))
    count, summed, squared = total(torch.cat([count, rows.sum(0, keepdim=True), rows.square().sum(0, keepdim=True)]))
    variance = (squared - summed.square() / count.clamp_min(1)) / (count - 1).clamp_min(1)
    return (variance.clamp_min(0) + 1e-6).sqrt().mean()
