"""Synthetic voices: something that sounds like speech to a model, of any length."""

import numpy as np

from annotators.base import SAMPLE_RATE_HZ, Clip


def voice(seconds: float, pitch_hz: float, seed: int) -> np.ndarray:
    """A voiced sound with a moving pitch and syllables over faint noise."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    phase = 2 * np.pi * np.cumsum(pitch_hz * (1 + 0.2 * np.sin(2 * np.pi * 0.7 * time_s + seed))) / SAMPLE_RATE_HZ
    tone = sum(np.sin(n * phase + rng.uniform(0, 6)) / n for n in range(1, 20))
    syllables = np.clip(np.sin(2 * np.pi * 3.5 * time_s + rng.uniform(0, 6)) + 0.3, 0, None)
    return (0.1 * tone * syllables + 0.002 * rng.standard_normal(len(time_s))).astype(np.float32)


def clip(number: int, seconds: float, pitch_hz: float = 150.0, language: str | None = "en") -> Clip:
    return Clip(f"clip-{number}", voice(seconds, pitch_hz, number), language, None)
