"""Encoded audio to 16 kHz mono, the one form in which every annotator and every network hears it."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import soundfile as sf
import soxr

from manifests.errors import EmotroveError

SAMPLE_RATE_HZ = 16_000
_LENGTH_UNKNOWN = 2**62  # libsndfile's frames for a FLAC that was written into a pipe


class UndecodableAudio(EmotroveError):
    """The bytes are no audio that can be decoded; the message says why."""


@contextmanager
def open_audio(encoded: bytes) -> Iterator[sf.SoundFile]:
    """Encoded audio (wav, flac, mp3, ogg, opus, …) as an open file, whose header is read and nothing else.

    Raises
    ------
    UndecodableAudio : it is no audio, states no length, or breaks off while the caller reads
    """
    try:
        with sf.SoundFile(io.BytesIO(encoded)) as file:
            if file.frames >= _LENGTH_UNKNOWN:
                raise ValueError("the header states no length, as where an encoder wrote into a pipe; encode it again")
            yield file
    except (sf.LibsndfileError, RuntimeError, ValueError, MemoryError) as error:
        # libsndfile's whole message holds the address of a buffer, which is another one each time.
        raise UndecodableAudio(str(getattr(error, "error_string", error))) from error


def mix_down(samples: np.ndarray) -> np.ndarray:
    """(n, channels) float32 to (n,): the mean of the channels."""
    return samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)


def resample(samples: np.ndarray, rate_hz: int) -> np.ndarray:
    """Mono (n,) float32 at any rate to 16 kHz with soxr's high quality filter."""
    return samples if rate_hz == SAMPLE_RATE_HZ else soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ, quality="HQ")


def to_pcm16(samples: np.ndarray) -> bytes:
    """Samples in [-1, 1] to little-endian 16-bit; what is beyond full scale is clipped."""
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2").tobytes()


def from_pcm16(data: Any) -> np.ndarray:
    """Little-endian 16-bit to (n,) float32 in [-1, 1)."""
    return np.frombuffer(data, dtype="<i2").astype(np.float32) / 32768.0


def decode(encoded: bytes) -> np.ndarray:
    """(n,) float32 in [-1, 1), 16 kHz mono, rounded to 16 bits: to the bit what a labelling job gives its annotators.

    Raises
    ------
    UndecodableAudio : it is no audio, or holds samples that are no numbers
    """
    with open_audio(encoded) as file:
        rate_hz = file.samplerate
        samples = file.read(dtype="float32", always_2d=True)
    mono = mix_down(samples)
    if not np.isfinite(mono).all():
        raise UndecodableAudio("it holds samples that are NaN or infinite")
    return from_pcm16(to_pcm16(resample(mono, rate_hz)))
