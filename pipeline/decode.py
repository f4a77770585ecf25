"""Encoded audio to 16 kHz mono PCM16, the one form in which audio travels and annotators hear it."""

import hashlib
import io
from typing import Any

import numpy as np
import soundfile as sf
import soxr

from manifests.emilia import PENDING, Row, fail, reject

SAMPLE_RATE_HZ = 16_000
STAGE = "decode"
_LENGTH_UNKNOWN = 2**62  # libsndfile's frames for a FLAC that was written into a pipe


def resample(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """Mono (samples,) float32 at any rate to 16 kHz with soxr's high quality filter."""
    return samples if rate_hz == SAMPLE_RATE_HZ else soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ, quality="HQ")


def to_pcm16(samples: np.ndarray) -> bytes:
    """Samples in [-1, 1] to little-endian 16-bit; what is beyond full scale is clipped."""
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2").tobytes()


def from_pcm16(data: Any) -> np.ndarray:
    """Little-endian 16-bit to (samples,) float32 in [-1, 1)."""
    return np.frombuffer(data, dtype="<i2").astype(np.float32) / 32768.0


def decode_row(row: Row, min_duration_s: float, max_duration_s: float) -> Row:
    """Replace the encoded ``audio`` of a pending row by PCM16, or end the row.

    A clip is measured from its header before it is decoded, so a long one costs no memory.
    """
    if row["outcome"] != PENDING:
        row["audio"] = None
        return row
    encoded, row["audio"] = row.get("audio") or b"", None
    row["audio_sha256"] = hashlib.sha256(encoded).hexdigest()
    if not encoded:
        return reject(row, STAGE, "empty_audio", 0.0, "the audio has no bytes")
    try:
        with sf.SoundFile(io.BytesIO(encoded)) as file:
            rate = file.samplerate
            row["sample_rate_hz"] = rate
            if file.frames >= _LENGTH_UNKNOWN:
                raise ValueError("the header states no length, as where an encoder wrote into a pipe; encode it again")
            row["duration_s"] = file.frames / rate
            if row["duration_s"] > max_duration_s:
                return reject(row, STAGE, "too_long", row["duration_s"])
            samples = file.read(dtype="float32", always_2d=True)
    except (sf.LibsndfileError, RuntimeError, ValueError, MemoryError) as error:
        # libsndfile's whole message holds the address of a buffer, which is another one each time.
        why = getattr(error, "error_string", error)
        return fail(row, STAGE, "undecodable_audio", f"{row.get('audio_uri')}: {why}")
    row["duration_s"] = len(samples) / rate
    if row["duration_s"] < min_duration_s:
        return reject(row, STAGE, "too_short", row["duration_s"])
    mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
    finite = np.isfinite(mono)
    if not finite.all():
        return reject(
            row, STAGE, "non_finite_samples", float(1 - finite.mean()), "share of samples that are NaN or infinite"
        )
    row["audio"] = to_pcm16(resample(mono, rate))
    return row
