"""Fundamental frequency of speech, by SwiftF0.

The library was chosen by measurement: docs/f0.md.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from annotators.base import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from swift_f0 import SwiftF0

HOP_S = 0.016
FLOOR_HZ = 65.0
CEILING_HZ = 600.0

# The library's own calibration: a frame is voiced from here on.
_VOICED = 0.5
# Level given to the network, and the peak below which a clip is silence (-66 dBFS, 16 steps of PCM16).
_PEAK = 0.5
_SILENT_PEAK = 0.0005


@lru_cache(maxsize=1)
def _detector() -> "SwiftF0":
    from swift_f0 import SwiftF0

    # One thread: the job runs one process per core. No spinning: an idle thread must not take another process's core.
    return SwiftF0(threads=1, spin=False)


def f0(samples: np.ndarray) -> np.ndarray:
    """F0 track of one clip.

    Parameters
    ----------
    samples : (n,) float32 in [-1, 1], 16 kHz mono

    Returns
    -------
    (max(1, n // 256),) float64 in Hz, one value every 16 ms (``HOP_S``), within ``FLOOR_HZ`` and ``CEILING_HZ``; 0
    where unvoiced. Empty for an empty clip, all 0 for a silent one. The same samples always give the same track, and
    the level of the clip does not matter.

    Raises
    ------
    ValueError : if a sample is not finite
    """
    if len(samples) == 0:
        return np.zeros(0)
    peak = float(np.abs(samples).max())
    # The network hears absolute level and takes quiet speech for silence: of clips with a peak of 0.005 it loses up to
    # half of the voiced frames. Hence every clip is brought to the same peak.
    if peak < _SILENT_PEAK:
        return np.zeros(max(1, len(samples) // round(HOP_S * SAMPLE_RATE_HZ)))
    scaled = np.asarray(samples, dtype=np.float32) * np.float32(_PEAK / peak)
    found = _detector().detect(scaled, SAMPLE_RATE_HZ, FLOOR_HZ, CEILING_HZ)
    return np.where(found.confidence >= _VOICED, found.pitch_hz, 0.0)
