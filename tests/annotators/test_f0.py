"""F0 of signals whose F0 is known."""

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotators.f0 import CEILING_HZ, FLOOR_HZ, HOP_S, f0

RATE_HZ = 16000


def sawtooth(track_hz: np.ndarray, level: float = 0.3) -> np.ndarray:
    """(n,) float32 with all harmonics below 7 kHz, from (n,) F0 in Hz; close to a voice's source."""
    phase = 2 * np.pi * np.cumsum(track_hz) / RATE_HZ
    wave = np.zeros(len(track_hz))
    for harmonic in range(1, int(7000 / track_hz.min()) + 1):
        wave += np.sin(harmonic * phase) / harmonic * (harmonic * track_hz < 7000)
    return (level * wave / np.abs(wave).max()).astype(np.float32)


def noise(seconds: float, level: float, seed: int = 0) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(int(seconds * RATE_HZ))).astype(np.float32)


@pytest.mark.parametrize("pitch_hz", [75, 100, 150, 220, 330, 440, 580])
def test_steady_tone(pitch_hz: float) -> None:
    track = f0(sawtooth(np.full(RATE_HZ, float(pitch_hz))))
    voiced = track[track > 0]
    assert len(voiced) > 0.9 * len(track)
    assert np.median(voiced) == pytest.approx(pitch_hz, rel=0.01)
    assert voiced.std() < 0.02 * pitch_hz


@pytest.mark.parametrize(("start_hz", "end_hz"), [(100, 200), (300, 150), (180, 420)])
def test_glide_is_followed_in_time(start_hz: float, end_hz: float) -> None:
    truth = np.geomspace(start_hz, end_hz, 2 * RATE_HZ)
    track = f0(sawtooth(truth))
    expected = truth[(np.arange(len(track)) * HOP_S * RATE_HZ).astype(int)]
    inner = slice(5, -5)
    assert (track[inner] > 0).all()
    assert np.abs(12 * np.log2(track[inner] / expected[inner])).max() < 0.5  # semitones


def test_tone_between_noise_is_voiced_only_where_it_is() -> None:
    tone = sawtooth(np.full(RATE_HZ, 160.0))
    track = f0(np.concatenate([noise(1, 0.02), tone, noise(1, 0.02, seed=1)]))
    seconds = np.arange(len(track)) * HOP_S
    assert (track[(seconds > 1.1) & (seconds < 1.9)] > 0).all()
    assert (track[(seconds < 0.9) | (seconds > 2.1)] == 0).all()


@pytest.mark.parametrize("level", [0.2, 0.02, 0.002])
def test_noise_is_unvoiced(level: float) -> None:
    assert np.mean(f0(noise(3, level)) > 0) < 0.02


def test_silence_is_unvoiced() -> None:
    for silence in (np.zeros(RATE_HZ, np.float32), noise(1, 0.00003), np.full(RATE_HZ, 0.0001, np.float32)):
        track = f0(silence)
        assert len(track) == RATE_HZ // 256
        assert not track.any()


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (1, 1), (255, 1), (256, 1), (800, 3), (16000, 62)])
def test_number_of_frames_of_short_clips(samples: int, frames: int) -> None:
    for level in (0.0, 0.1):
        track = f0(np.full(samples, level, dtype=np.float32))
        assert track.shape == (frames,)
        assert track.dtype == np.float64


def test_all_values_are_unvoiced_or_in_range() -> None:
    for pitch_hz in (40.0, 66.0, 590.0, 1200.0):
        track = f0(sawtooth(np.full(RATE_HZ, pitch_hz)) + noise(1, 0.01))
        assert ((track == 0) | ((track >= 0.97 * FLOOR_HZ) & (track <= 1.03 * CEILING_HZ))).all()


def test_not_finite_is_an_error() -> None:
    broken = sawtooth(np.full(RATE_HZ, 150.0))
    broken[100] = np.nan
    with pytest.raises(ValueError, match="finite"):
        f0(broken)


def test_samples_are_left_as_they_are() -> None:
    samples = sawtooth(np.full(RATE_HZ, 150.0))
    before = samples.copy()
    f0(samples)
    np.testing.assert_array_equal(samples, before)


def test_same_clip_same_track_whatever_came_before_and_from_any_thread() -> None:
    clip = sawtooth(np.linspace(120, 250, RATE_HZ)) + noise(1, 0.01)
    first = f0(clip)
    f0(noise(2, 0.3))
    found: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: found.append(f0(clip))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert first.any()
    assert len(found) == 2
    for track in found:
        np.testing.assert_array_equal(track, first)


@settings(max_examples=15, deadline=None)
@given(gain_db=st.floats(-40, 6), pitch_hz=st.floats(90, 400))
def test_level_does_not_matter(gain_db: float, pitch_hz: float) -> None:
    clip = np.concatenate([noise(0.3, 0.001), sawtooth(np.full(RATE_HZ // 2, pitch_hz)), noise(0.3, 0.001, seed=1)])
    loud, quiet = f0(clip), f0((clip * np.float32(10 ** (gain_db / 20))).astype(np.float32))
    assert (loud > 0).sum() > 20
    # Rounding in float32 may tip a frame that stands on the voicing threshold.
    assert ((loud > 0) != (quiet > 0)).sum() <= 1
    both = (loud > 0) & (quiet > 0)
    np.testing.assert_allclose(loud[both], quiet[both], rtol=1e-3)
