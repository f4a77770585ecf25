"""Loudness, active span and levels of signals made for it."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotators.loudness import active_span_s, clip_levels, loudness_lufs

RATE_HZ = 16000


def sine(seconds: float, pitch_hz: float = 997.0, level: float = 0.5, rate_hz: int = RATE_HZ) -> np.ndarray:
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    return (level * np.sin(2 * np.pi * pitch_hz * time_s)).astype(np.float32)


def noise(seconds: float, level: float, seed: int = 0) -> np.ndarray:
    return (level * np.random.default_rng(seed).standard_normal(round(seconds * RATE_HZ))).astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE_HZ), np.float32)


@pytest.mark.parametrize("rate_hz", [16000, 24000, 48000])
def test_full_scale_sine_has_the_loudness_of_the_standard(rate_hz: int) -> None:
    # BS.1770-4: a 0 dBFS sine of 997 Hz in one channel reads -3.01 LKFS.
    assert loudness_lufs(sine(3, level=1.0, rate_hz=rate_hz), rate_hz) == pytest.approx(-3.01, abs=0.1)


def test_pauses_are_gated() -> None:
    speech = noise(4, 0.1)
    alone = loudness_lufs(speech, RATE_HZ)
    assert loudness_lufs(np.concatenate([silence(3), speech, silence(3)]), RATE_HZ) == pytest.approx(alone, abs=0.5)


@pytest.mark.parametrize(
    "samples",
    [silence(0), silence(1), np.ones(1, np.float32), sine(0.05), sine(0.399), noise(1, 1e-5), np.full(RATE_HZ, 1e-6)],
    ids=["empty", "silence", "one sample", "50 ms", "399 ms", "below the gate", "offset"],
)
def test_not_measurable_is_none_without_a_warning(samples: np.ndarray) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert loudness_lufs(samples, RATE_HZ) is None


def test_one_block_is_enough() -> None:
    assert loudness_lufs(sine(0.4, level=1.0), RATE_HZ) == pytest.approx(-3.01, abs=0.3)


def test_samples_are_left_as_they_are() -> None:
    samples = noise(1, 0.1)
    before = samples.copy()
    loudness_lufs(samples, RATE_HZ)
    clip_levels(samples)
    active_span_s(samples)
    np.testing.assert_array_equal(samples, before)


@settings(max_examples=30, deadline=None)
@given(gain_db=st.floats(-30, 10), seed=st.integers(0, 100))
def test_loudness_shifts_by_the_gain(gain_db: float, seed: int) -> None:
    clip = noise(1.5, 0.1, seed)
    before = loudness_lufs(clip, RATE_HZ)
    after = loudness_lufs(clip * np.float32(10 ** (gain_db / 20)), RATE_HZ)
    assert before is not None
    assert after == pytest.approx(before + gain_db, abs=1e-5)


@settings(max_examples=50, deadline=None)
@given(
    before=st.integers(0, 100), sound=st.integers(1, 100), after=st.integers(0, 100), gain_db=st.floats(-60, 0)
)  # in frames of 20 ms
def test_active_span_is_the_sound_at_any_level(before: int, sound: int, after: int, gain_db: float) -> None:
    clip = np.concatenate([silence(before / 50), noise(sound / 50, 0.2), silence(after / 50)])
    start_s, end_s = active_span_s(clip * np.float32(10 ** (gain_db / 20)))
    assert start_s == pytest.approx(before / 50)
    assert end_s == pytest.approx((before + sound) / 50)


@pytest.mark.parametrize(("below_db", "active"), [(35, True), (45, False)])
def test_active_means_within_40_db_of_the_loudest(below_db: float, active: bool) -> None:
    quiet = sine(1, level=0.5 * 10 ** (-below_db / 20))
    start_s, end_s = active_span_s(np.concatenate([quiet, sine(1), quiet]))
    assert (start_s, end_s) == ((0.0, 3.0) if active else (1.0, 2.0))


def test_short_last_frame_is_judged_by_its_own_length() -> None:
    tail = np.full(40, 0.5 * 10 ** (-38 / 20), np.float32)  # an eighth of a frame, 38 dB below
    clip = np.concatenate([np.full(RATE_HZ, 0.5, np.float32), silence(1), tail])
    assert active_span_s(clip) == (0.0, len(clip) / RATE_HZ)


def test_pauses_inside_belong_to_the_span() -> None:
    clip = np.concatenate([silence(0.5), sine(0.2), silence(1), sine(0.2), silence(0.5)])
    assert active_span_s(clip) == (0.5, 1.9)


def test_span_ends_with_the_clip() -> None:
    clip = sine(0.05)  # two and a half frames
    assert active_span_s(clip) == (0.0, 0.05)
    assert active_span_s(clip[:7]) == (0.0, 7 / RATE_HZ)


def test_nothing_is_active_in_silence() -> None:
    assert active_span_s(silence(1)) == (0.0, 0.0)
    assert active_span_s(silence(0)) == (0.0, 0.0)


def test_levels_of_an_ordinary_clip() -> None:
    levels = clip_levels(np.concatenate([sine(1, level=0.4), silence(3)]) + np.float32(0.0))
    assert levels["peak"] == pytest.approx(0.4, rel=0.01)
    assert levels["silence_fraction"] == pytest.approx(0.75)
    assert levels["clipped_fraction"] == 0
    assert levels["dc_offset"] == pytest.approx(0, abs=1e-4)
    assert clip_levels(np.full(1000, -0.25, np.float32)) == {
        "peak": 0.25,
        "clipped_fraction": 0.0,
        "silence_fraction": 0.0,
        "dc_offset": -0.25,
    }


@pytest.mark.parametrize("length", [0, 100])
def test_levels_without_sound(length: int) -> None:
    expected = {"peak": 0.0, "clipped_fraction": 0.0, "silence_fraction": 1.0, "dc_offset": 0.0}
    assert clip_levels(np.zeros(length, np.float32)) == expected


def test_overdriven_sine_is_clipped_for_the_share_it_spends_there() -> None:
    clip = np.clip(sine(1, pitch_hz=100, level=2.0), -1, 1)
    # |2 sin| >= 1 for two thirds of the period.
    assert clip_levels(clip)["clipped_fraction"] == pytest.approx(2 / 3, abs=0.01)


@settings(max_examples=50, deadline=None)
@given(runs=st.lists(st.integers(1, 6), max_size=8), sign=st.sampled_from([1.0, -1.0]))
def test_only_runs_of_three_count_as_clipping(runs: list[int], sign: float) -> None:
    pieces = [np.zeros(20)] + [piece for run in runs for piece in (np.full(run, sign), np.zeros(3))]
    clip = np.concatenate(pieces).astype(np.float32)
    assert clip_levels(clip)["clipped_fraction"] == pytest.approx(sum(run for run in runs if run >= 3) / len(clip))


def test_clipping_at_the_edges_and_throughout_is_counted() -> None:
    clip = np.zeros(100, np.float32)
    clip[:4], clip[-5:] = 1, -1
    assert clip_levels(clip)["clipped_fraction"] == pytest.approx(0.09)
    assert clip_levels(np.ones(100, np.float32))["clipped_fraction"] == 1


def test_pcm16_full_scale_counts_as_clipped() -> None:
    # The largest sample of 16 bit PCM is not 1 but 32767 / 32768.
    assert clip_levels(np.full(100, 32767, np.int16).astype(np.float32) / 32768)["clipped_fraction"] == 1
