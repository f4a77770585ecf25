"""The heads of a probe. Both choose how hard to fit on speakers of the training part, and then fit all of that part.

Classes count equally, as in UA. The same arguments and number of threads give the same answers.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from manifests.scoring import table_of, unweighted_accuracy

Head = Literal["linear", "mlp"]

STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Inverse regularisation (scikit-learn's C) that the linear head chooses from."""
HIDDEN, EPOCHS, BATCH, RATE, WEIGHT_DECAY = 256, 100, 64, 1e-3, 1e-2

Predict = Callable[[np.ndarray], np.ndarray]
"""(n, D) standardised features to (n,) classes."""


def fit_head(
    head: Head, features: np.ndarray, labels: np.ndarray, held_out: np.ndarray, n_classes: int, seed: int
) -> tuple[Predict, float]:
    """Fit a head.

    Parameters
    ----------
    features : (n, D) float32, of the training part, standardised
    labels : (n,) int64
    held_out : (n,) bool, the speakers on which the choice is made

    Returns
    -------
    the fitted head, and what was chosen: the strength of ``linear``, the number of epochs of ``mlp``
    """
    if head == "linear":
        return _fit_linear(features, labels, held_out, n_classes)
    return _fit_mlp(features, labels, held_out, n_classes, seed)


def _ua(true: np.ndarray, predicted: np.ndarray, n_classes: int) -> float:
    return float(unweighted_accuracy(table_of(true, predicted, n_classes)))


def _fit_linear(
    features: np.ndarray, labels: np.ndarray, held_out: np.ndarray, n_classes: int
) -> tuple[Predict, float]:
    def fitted(strength: float, chosen: np.ndarray) -> LogisticRegression:
        # In float64 lbfgs converges; the limit is there for features that no plane divides well.
        model = LogisticRegression(C=strength, class_weight="balanced", max_iter=5000)
        return model.fit(features[chosen].astype(np.float64), labels[chosen])

    strength = STRENGTHS[0]
    if held_out.any():
        scores = [
            _ua(labels[held_out], fitted(strength, ~held_out).predict(features[held_out]), n_classes)
            for strength in STRENGTHS
        ]
        strength = STRENGTHS[int(np.argmax(scores))]  # the least of equals
    return fitted(strength, np.ones(len(labels), bool)).predict, strength


def _fit_mlp(
    features: np.ndarray, labels: np.ndarray, held_out: np.ndarray, n_classes: int, seed: int
) -> tuple[Predict, float]:
    x, y = torch.from_numpy(features), torch.from_numpy(labels)
    weights = _class_weights(y, n_classes)
    epochs = EPOCHS
    if held_out.any():
        kept, losses = torch.from_numpy(~held_out), list[float]()

        @torch.no_grad()
        def look(network: nn.Module) -> None:
            # The loss, because over a few speakers UA jumps, and then its best epoch is a matter of luck.
            losses.append(float(F.cross_entropy(network(x[~kept]), y[~kept], weights)))

        _train(x[kept], y[kept], weights, EPOCHS, seed, look)
        epochs = int(np.argmin(losses)) + 1
    network = _train(x, y, weights, epochs, seed)
    return lambda tested: _classes(network, tested), float(epochs)


def _class_weights(y: Tensor, n_classes: int) -> Tensor:
    """(n_classes,) such that every class that is there weighs the same."""
    counts = torch.bincount(y, minlength=n_classes)
    return torch.where(counts > 0, len(y) / (counts.clamp_min(1) * (counts > 0).sum()), 0.0)


def _train(
    x: Tensor,
    y: Tensor,
    weights: Tensor,
    epochs: int,
    seed: int,
    after_epoch: Callable[[nn.Module], None] = lambda network: None,
) -> nn.Module:
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(x.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, len(weights)))
        optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=WEIGHT_DECAY)
        for _ in range(epochs):
            for batch in torch.randperm(len(y)).split(BATCH):
                loss = F.cross_entropy(network(x[batch]), y[batch], weights)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            after_epoch(network)
    return network


@torch.no_grad()
def _classes(network: nn.Module, features: np.ndarray) -> np.ndarray:
    return network(torch.from_numpy(features)).argmax(1).numpy()
