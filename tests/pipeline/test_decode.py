"""Every form of audio becomes 16 kHz mono PCM16, or a row that says why not."""

import hashlib
import io
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from manifests.emilia import Row, fail, new_row
from manifests.waveform import from_pcm16, to_pcm16
from pipeline.decode import decode_row
from tests.speech import members

RATE = 16_000


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    """Two seconds at 48 kHz with the spectrum of a voiced sound: a buzz of 140 Hz under 3.5 kHz."""
    t = np.arange(2 * 48_000) / 48_000
    buzz = sum(np.sin(2 * np.pi * 140 * k * t + k) / k for k in range(1, 25))
    return (0.1 * buzz * np.hanning(len(t))).astype(np.float32)


def encoded(samples: np.ndarray, rate: int, format: str = "WAV", subtype: str | None = None) -> bytes:
    sink = io.BytesIO()
    sf.write(sink, samples, rate, format=format, subtype=subtype)
    return sink.getvalue()


def decoded(data: bytes | None, min_s: float = 0.5, max_s: float = 30.0) -> Row:
    row = new_row("s", 0, "x")
    row.update(audio=data, audio_uri="/data/s.tar#0+1")
    return decode_row(row, min_s, max_s)


def heard(row: Row) -> np.ndarray:
    assert row["outcome"] == "pending", row
    return from_pcm16(row["audio"])


def at(samples: np.ndarray, rate: int) -> np.ndarray:
    """48 kHz to another rate, by picking or repeating in the spectrum."""
    spectrum = np.fft.rfft(samples)
    n = len(samples) * rate // 48_000
    return np.fft.irfft(np.pad(spectrum, (0, max(0, n // 2 + 1 - len(spectrum))))[: n // 2 + 1], n).astype(
        np.float32
    ) * (n / len(samples))


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000])
def test_any_rate_gives_the_same_sound_at_16_khz(rate: int, speech: np.ndarray) -> None:
    row = decoded(encoded(at(speech, rate), rate, subtype="FLOAT"))
    samples, expected = heard(row), at(speech, RATE)
    assert row["sample_rate_hz"] == rate and row["duration_s"] == pytest.approx(2.0, abs=1e-3)
    assert abs(len(samples) - 2 * RATE) <= 1
    n = min(len(samples), len(expected))
    error = np.sqrt(np.mean((samples[:n] - expected[:n]) ** 2) / np.mean(expected**2))
    assert error < 0.01


@pytest.mark.parametrize(
    ("format", "subtype", "most"),
    [
        ("WAV", "PCM_16", 1e-3),
        ("WAV", "PCM_24", 1e-3),
        ("WAV", "PCM_32", 1e-3),
        ("WAV", "FLOAT", 1e-3),
        ("WAV", "DOUBLE", 1e-3),
        ("WAV", "PCM_U8", 0.1),
        ("WAV", "ULAW", 0.1),
        ("AIFF", "PCM_16", 1e-3),  # whatever the file is named, the bytes say what it is
        ("FLAC", "PCM_24", 1e-3),
        ("OGG", "VORBIS", 0.3),
        ("OGG", "OPUS", 0.3),
        ("MP3", None, 0.3),
    ],
)
def test_any_encoding(format: str, subtype: str | None, most: float, speech: np.ndarray) -> None:
    reference = heard(decoded(encoded(speech, 48_000, "WAV", "FLOAT")))
    samples = heard(decoded(encoded(speech, 48_000, format, subtype)))
    n = min(len(samples), len(reference))
    assert n >= 1.9 * RATE
    assert np.sqrt(np.mean((samples[:n] - reference[:n]) ** 2) / np.mean(reference**2)) < most


def test_channels_are_averaged(speech: np.ndarray) -> None:
    stereo = np.stack([speech, np.zeros_like(speech)], axis=1)
    mono = heard(decoded(encoded(speech / 2, 48_000, subtype="FLOAT")))
    assert np.abs(heard(decoded(encoded(stereo, 48_000, subtype="FLOAT"))) - mono).max() <= 2 / 32768
    six = np.stack([speech] * 6, axis=1)
    assert np.abs(heard(decoded(encoded(six, 48_000, subtype="FLOAT"))) / 2 - mono).max() <= 2 / 32768


def test_beyond_full_scale_is_clipped_not_wrapped(speech: np.ndarray) -> None:
    loud = (speech / np.abs(speech).max() * 3).astype(np.float32)
    samples = heard(decoded(encoded(loud, 48_000, subtype="FLOAT")))
    assert samples.max() == 32767 / 32768 and samples.min() == -1.0
    assert np.abs(samples - np.clip(at(loud, RATE), -1, 1)).max() < 0.1


def test_pcm16_there_and_back() -> None:
    every = np.arange(-32768, 32768, dtype="<i2")
    assert to_pcm16(from_pcm16(every.tobytes())) == every.tobytes()
    assert to_pcm16(np.array([1.0, -1.0, 2.0, -2.0], np.float32)) == np.array([32767, -32768] * 2, "<i2").tobytes()


@pytest.mark.parametrize(("value", "share"), [(np.nan, 0.25), (np.inf, 0.25), (-np.inf, 0.25)])
def test_samples_that_are_no_numbers(value: float, share: float, speech: np.ndarray) -> None:
    broken = speech.copy()
    broken[: len(broken) // 4] = value
    row = decoded(encoded(broken, 48_000, subtype="FLOAT"))
    assert (row["outcome"], row["stage"], row["reason"]) == ("rejected", "decode", "non_finite_samples")
    assert row["reason_value"] == pytest.approx(share) and row["audio"] is None


@pytest.mark.parametrize(
    "data",
    [
        b"Not an mp3 at all, but a text about one.\n" * 100,
        b'{"id": "x"}',
        bytes(5000),
        b"RIFF\x00\x00\x00\x00WAVE",
        b"ID3\x04\x00\x00\x00\x00\x00\x00" + b"text " * 500,
        np.random.default_rng(7).bytes(20_000),
    ],
    ids=["text", "json", "zeros", "RIFF without chunks", "ID3 tag before text", "noise"],
)
def test_what_is_no_audio(data: bytes) -> None:
    row, again = decoded(data), decoded(data)
    assert (row["outcome"], row["stage"], row["reason"]) == ("failed", "decode", "undecodable_audio")
    assert row["audio"] is None and row["audio_sha256"] == hashlib.sha256(data).hexdigest()
    assert row["detail"].startswith("/data/s.tar#0+1: ") and row["detail"] == again["detail"]


def test_an_audio_file_cut_anywhere_gives_a_row(speech: np.ndarray) -> None:
    for format in ("WAV", "FLAC", "OGG", "MP3", "AIFF"):
        whole = encoded(speech, 48_000, format)
        for part in np.linspace(1, len(whole) - 1, 12).astype(int):
            row = decoded(whole[:part])
            assert row["outcome"] in ("pending", "failed", "rejected")
            assert (row["audio"] is not None) == (row["outcome"] == "pending")
            assert row.get("duration_s") is None or row["duration_s"] <= 2.1


@pytest.mark.parametrize("data", [b"", None])
def test_no_bytes(data: bytes | None) -> None:
    row = decoded(data)
    assert (row["outcome"], row["reason"], row["reason_value"]) == ("rejected", "empty_audio", 0.0)


def test_no_samples_and_too_short(speech: np.ndarray) -> None:
    for samples in (speech[:0], speech[: int(0.49 * 48_000)]):
        row = decoded(encoded(samples, 48_000))
        assert (row["outcome"], row["stage"], row["reason"]) == ("rejected", "decode", "too_short")
        assert row["reason_value"] == row["duration_s"] == pytest.approx(len(samples) / 48_000)
    assert decoded(encoded(speech[: 48_000 // 2], 48_000))["outcome"] == "pending"


def test_40_minutes_are_measured_and_not_decoded() -> None:
    data = encoded(np.zeros(40 * 60 * RATE, np.int16), RATE, "FLAC")
    tracemalloc.start()
    try:
        row = decoded(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (row["outcome"], row["stage"], row["reason"]) == ("rejected", "decode", "too_long")
    assert row["reason_value"] == row["duration_s"] == 2400.0
    assert peak < 2 * len(data) + 100_000  # decoded they are 150 MB


def without_length(flac: bytes) -> bytes:
    """The FLAC as an encoder writes it into a pipe: the number of samples in its header is 0."""
    data = bytearray(flac)
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    return bytes(data)


def test_flac_that_states_no_length(speech: np.ndarray) -> None:
    data = encoded(speech, 48_000, "FLAC")
    row = decoded(without_length(data))
    assert (row["outcome"], row["reason"]) == ("failed", "undecodable_audio")
    assert "states no length" in row["detail"]


def test_a_wav_that_states_no_length(speech: np.ndarray) -> None:
    data = encoded(speech, 48_000)
    piped = bytearray(data)
    piped[4:8] = piped[40:44] = b"\xff" * 4
    assert heard(decoded(bytes(piped))).tobytes() == heard(decoded(data)).tobytes()


def test_a_row_that_is_over_stays_as_it_is(speech: np.ndarray) -> None:
    row = fail(new_row("s", 0, "x"), "read", "missing_json", "why")
    row["audio"] = encoded(speech, 48_000)
    assert decode_row(row, 0.5, 30.0)["reason"] == "missing_json" and row["audio"] is None
    assert "audio_sha256" not in row


def test_real_mp3(shared_data: Path) -> None:
    content = members(shared_data / "ravdess" / "EN-B000000.tar")
    audio = next(data for name, data in content if name.endswith(".mp3"))
    row = decoded(audio)
    samples = heard(row)
    assert 2 < row["duration_s"] < 6 and len(samples) == pytest.approx(row["duration_s"] * RATE, abs=2)
    assert 0.01 < np.abs(samples).max() <= 1.0
