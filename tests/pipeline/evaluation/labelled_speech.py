"""A small labelled data set of tones, whose pitch says the emotion and whose overtones say the speaker."""

import io
import json
from pathlib import Path

import numpy as np
import soundfile as sf

EMOTIONS = ("angry", "happy", "sad")
SPEAKERS, CLIPS = 4, 3


def tone(pitch_hz: float, overtone: float, seed: int) -> bytes:
    time_s = np.arange(8000) / 16_000
    sound = np.sin(2 * np.pi * pitch_hz * time_s) + overtone * np.sin(6 * np.pi * pitch_hz * time_s)
    sound += 0.05 * np.random.default_rng(seed).standard_normal(len(time_s))
    buffer = io.BytesIO()
    sf.write(buffer, 0.2 * sound, 16_000, format="WAV", subtype="PCM_16")
    return buffer.getvalue()


def labelled_speech(folder: Path, folds: bool = True) -> Path:
    """``folder/set.jsonl``: four speakers in two languages and two folds, three clips of each of three emotions."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for speaker in range(SPEAKERS):
        for number in range(CLIPS * len(EMOTIONS)):
            name, emotion = f"s{speaker}c{number}", EMOTIONS[number % 3]
            (folder / f"{name}.wav").write_bytes(tone(150 * 2 ** (number % 3), speaker / 4, len(rows)))
            fold = {"fold": 1 + speaker % 2} if folds else {}
            language = "en" if speaker < 3 else "zh"
            row = {"id": name, "wav": f"{name}.wav", "emotion": emotion, "speaker": f"s{speaker}", "language": language}
            rows.append({**row, **fold})
    path = folder / "set.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
