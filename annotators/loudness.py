"""Level of a clip: loudness, the span that holds sound, clipping and silence."""

from functools import lru_cache

import numpy as np
import pyloudnorm

from annotators.base import SAMPLE_RATE_HZ

_BLOCK_S = 0.4

_FRAME = SAMPLE_RATE_HZ // 50
# A frame is active when its level is within 40 dB of the clip's loudest frame. Relative, so that a quiet clip is
# measured like a loud one.
_ACTIVE_POWER = 10 ** (-40 / 10)

_CLIP_LEVEL = 0.999
_CLIP_RUN = 3


@lru_cache(maxsize=8)
def _meter(sample_rate: int) -> pyloudnorm.Meter:
    return pyloudnorm.Meter(sample_rate, block_size=_BLOCK_S)


def loudness_lufs(samples: np.ndarray, sample_rate: int) -> float | None:
    """Integrated loudness after ITU-R BS.1770-4.

    Parameters
    ----------
    samples : (n,) float in [-1, 1], mono
    sample_rate : in Hz

    Returns
    -------
    Loudness in LUFS. None where the standard defines none: a clip shorter than one gating block of 0.4 s, or one in
    which no block is above the absolute gate of -70 LUFS (silence).
    """
    if len(samples) < _BLOCK_S * sample_rate:
        return None
    loudness = float(_meter(sample_rate).integrated_loudness(samples))
    return loudness if np.isfinite(loudness) else None


def _active_frames(samples: np.ndarray) -> np.ndarray:
    """(ceil(n / 320),) bool: which frames of 20 ms are active; the last may be shorter. None is in digital silence."""
    whole = len(samples) // _FRAME * _FRAME
    frames = samples[:whole].reshape(-1, _FRAME)
    power = np.einsum("ij,ij->i", frames, frames) / _FRAME
    if whole < len(samples):
        tail = samples[whole:]
        power = np.append(power, tail @ tail / len(tail))
    return (power > 0) & (power >= power.max(initial=0.0) * _ACTIVE_POWER)


def active_span_s(samples: np.ndarray) -> tuple[float, float]:
    """Span from the first to the last active frame; what lies outside is edge silence.

    Parameters
    ----------
    samples : (n,) float32 in [-1, 1], 16 kHz mono

    Returns
    -------
    Start and end in seconds, in steps of 20 ms (the end is at most the clip's end). A frame is active when its RMS
    level is within 40 dB of the clip's loudest frame. (0.0, 0.0) where all is digital silence.
    """
    active = np.flatnonzero(_active_frames(samples))
    if len(active) == 0:
        return 0.0, 0.0
    end = min((int(active[-1]) + 1) * _FRAME, len(samples))
    return int(active[0]) * _FRAME / SAMPLE_RATE_HZ, end / SAMPLE_RATE_HZ


def clip_levels(samples: np.ndarray) -> dict[str, float]:
    """Peak, clipping, silence and offset.

    Parameters
    ----------
    samples : (n,) float32 in [-1, 1], 16 kHz mono

    Returns
    -------
    dict of four floats, all finite

    - ``peak``: largest magnitude
    - ``clipped_fraction``: share of samples in runs of at least 3 neighbours with a magnitude of 0.999 or more; a
      single sample at full scale is a normalised peak, not clipping
    - ``silence_fraction``: share of 20 ms frames more than 40 dB below the loudest; 1 for digital silence
    - ``dc_offset``: mean

    An empty clip is silence: 0, 0, 1, 0.
    """
    if len(samples) == 0:
        return {"peak": 0.0, "clipped_fraction": 0.0, "silence_fraction": 1.0, "dc_offset": 0.0}
    peak = max(float(samples.max()), -float(samples.min()))
    return {
        "peak": peak,
        "clipped_fraction": _clipped_fraction(samples) if peak >= _CLIP_LEVEL else 0.0,
        "silence_fraction": 1.0 - float(_active_frames(samples).mean()),
        "dc_offset": float(samples.mean(dtype=np.float64)),
    }


def _clipped_fraction(samples: np.ndarray) -> float:
    full = np.zeros(len(samples) + 2, dtype=np.int8)
    full[1:-1] = np.abs(samples) >= _CLIP_LEVEL
    steps = np.diff(full)
    lengths = np.flatnonzero(steps == -1) - np.flatnonzero(steps == 1)
    return float(lengths[lengths >= _CLIP_RUN].sum()) / len(samples)
