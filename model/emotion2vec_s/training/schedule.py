"""The learning rate: a pure function of the step."""

import math

from model.emotion2vec_s.training.configuration import OptimizerConfig


def learning_rate(step: int, steps: int, config: OptimizerConfig) -> float:
    """The rate of an update, which counts from 0: linear growth over the warm-up, then half a cosine that would reach 0 behind
    the last update."""
    warmup = round(steps * config.warmup_share)
    if step < warmup:
        return config.learning_rate * (step + 1) / warmup
    return config.learning_rate * (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2
