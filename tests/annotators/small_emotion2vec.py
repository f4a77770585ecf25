"""A small network of Emotion2Vec-S's architecture with random weights, in a folder as conversion and training leave it."""

from collections.abc import Sequence
from pathlib import Path

import torch

from model.emotion2vec_s import Emotion2VecS
from tests.model.emotion2vec_s.golden import small_config


def small_network(labels: Sequence[str] = (), **changed: object) -> Emotion2VecS:
    """Every parameter has a say: what a fresh network holds at zero or one is moved, and the head is sure of itself."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = Emotion2VecS(small_config(labels=labels, **changed)).eval()
        with torch.no_grad():
            for name, parameter in network.named_parameters():
                parameter += 0.1 * torch.randn_like(parameter)
                if name.startswith("head."):
                    parameter *= 10
    return network


def saved_network(folder: Path, labels: Sequence[str] = (), **changed: object) -> Path:
    small_network(labels, **changed).save_pretrained(folder)
    return folder
