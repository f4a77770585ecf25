"""Encoded audio to 16 kHz mono PCM16, the one form in which audio travels; what cannot become it ends its row."""

import hashlib

import numpy as np

from manifests.emilia import PENDING, Row, fail, reject
from manifests.waveform import UndecodableAudio, mix_down, open_audio, resample, to_pcm16

STAGE = "decode"


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
        with open_audio(encoded) as file:
            rate = file.samplerate
            row["sample_rate_hz"] = rate
            row["duration_s"] = file.frames / rate
            if row["duration_s"] > max_duration_s:
                return reject(row, STAGE, "too_long", row["duration_s"])
            samples = file.read(dtype="float32", always_2d=True)
    except UndecodableAudio as error:
        return fail(row, STAGE, "undecodable_audio", f"{row.get('audio_uri')}: {error}")
    row["duration_s"] = len(samples) / rate
    if row["duration_s"] < min_duration_s:
        return reject(row, STAGE, "too_short", row["duration_s"])
    mono = mix_down(samples)
    finite = np.isfinite(mono)
    if not finite.all():
        return reject(
            row, STAGE, "non_finite_samples", float(1 - finite.mean()), "share of samples that are NaN or infinite"
        )
    row["audio"] = to_pcm16(resample(mono, rate))
    return row
