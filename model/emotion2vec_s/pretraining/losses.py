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

    As in CLIP, the right partner is to be found by its cosine similarity: here a clip's emotion among the emotions of the batch, each
    of which is the sum of its clips. The clip itself is left out of its own emotion's, or it would find itself. This is the softmax
    of the generalised end-to-end loss (Wan et al. 2018, equations 6 and 8), with emotions for speakers. Mean over the clips that
    are not the only one of their emotion; ln n at chance among n emotions. Zero, with a gradient of zero, where there is none such.

    Parameters
    ----------
    embeddings : (B, K, D), K views of each clip. View k of a clip is compared with view k of the other clips only
    labels : (B,) int64, -100 for unlabelled clips, which take no part
    """
    labels = gathered(labels, UNLABELLED)
    embeddings = gathered(F.normalize(embeddings.float(), dim=-1))
    known = (labels != UNLABELLED).nonzero().squeeze(1)
    labels, embeddings = labels[known], embeddings[known].transpose(0, 1)  # (K, n, D)
    classes, of = labels.unique(return_inverse=True)
    own = (of[:, None] == torch.arange(len(classes), device=of.device)).to(embeddings.dtype)  # (n, classes)
    others = own.sum(0) - own  # how many other clips of each emotion a clip is compared with
    sums = own.t() @ embeddings  # (K, classes, D)
    products = embeddings @ sums.transpose(1, 2)  # (K, n, classes)
    # Of the sum without the clip itself, whose own length is 1: its product with the clip, and its squared length.
    squares = sums.square().sum(-1)[:, None] - own * (2 * products - 1)
    absent = others == 0
    cosines = (products - own) * squares.masked_fill(absent, 1).clamp_min(1e-12).rsqrt()
    # Not minus infinity, whose gradient is no number where a clip is all alone.
    likely = (cosines / temperature).masked_fill(absent, torch.finfo(cosines.dtype).min).log_softmax(-1)
    anchors = (others.gather(1, of[:, None]) > 0).squeeze(1)
    right = likely.gather(2, of[None, :, None].expand(len(likely), -1, -1)).squeeze(2)
    return -right.masked_fill(~anchors, 0).sum() / (len(right) * anchors.sum().clamp_min(1))


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
