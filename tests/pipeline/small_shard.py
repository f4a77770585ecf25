"""A shard of short real audio with rows of one's own choice."""

import hashlib
import io
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from manifests.audio_uri import AudioUri
from tests.pipeline.small_run import Row, a_vote
from tests.speech import write_tar

RATE_HZ = 24_000


def encoded(pitch_hz: float) -> bytes:
    """A short stereo FLAC at 24 kHz, so that an export has something to convert."""
    time_s = np.arange(round(0.2 * RATE_HZ)) / RATE_HZ
    left = 0.4 * np.sin(2 * np.pi * pitch_hz * time_s)
    buffer = io.BytesIO()
    sf.write(buffer, np.stack([left, left / 2], axis=1), RATE_HZ, format="FLAC", subtype="PCM_16")
    return buffer.getvalue()


def shard_of(folder: Path, name: str, rows: list[Row]) -> list[Row]:
    """Put the audio of the rows into a tar, and its place into the rows."""
    tar = folder / f"{name}.tar"
    sounds = [encoded(200 + 20 * position) for position in range(len(rows))]
    write_tar(tar, [(f"{row['utterance_id']}.flac", sound) for row, sound in zip(rows, sounds, strict=True)])
    with tarfile.open(tar) as file:
        places = file.getmembers()
    return [
        {
            "shard": name,
            "position": position,
            "audio_uri": str(AudioUri(str(tar), place.offset_data, place.size)),
            "audio_format": "flac",
            "audio_sha256": hashlib.sha256(sound).hexdigest(),
            "duration_s": 0.2,
            **row,
        }
        for position, (row, sound, place) in enumerate(zip(rows, sounds, places, strict=True))
    ]


def clip(name: str, emotion: str | None, confidence: float = 0.9, language: str | None = "en", **more: Any) -> Row:
    votes = [a_vote(emotion, confidence)] if emotion else []
    return {"utterance_id": name, "language": language, "text": f"the words of {name}", "votes": votes, **more}
