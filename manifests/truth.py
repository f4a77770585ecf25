"""Reading a list of known emotions: the truth of an evaluation, the gold items of a review."""

import json
from pathlib import Path

from manifests.emotions import CLASSES, Emotion, UnknownEmotion, parse_emotion
from manifests.errors import InputError


def read_truth(path: Path) -> tuple[dict[str, Emotion], dict[str, int]]:
    """Read a JSONL of ``id`` (or ``index``) and ``emotion``.

    Returns
    -------
    Emotion by id, and how many rows were left out because their emotion is none of the seven, by its name

    Raises
    ------
    InputError : the file cannot be read, a line cannot be understood, or an id is there twice with different emotions
    """
    known: dict[str, Emotion] = {}
    left_out: dict[str, int] = {}
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    _read_line(line, f"{path}, line {number}", known, left_out)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    return known, left_out


def _read_line(line: bytes, where: str, known: dict[str, Emotion], left_out: dict[str, int]) -> None:
    try:
        row = json.loads(line)
        key, name = str(row["id"] if "id" in row else row["index"]), str(row["emotion"])
        emotion = parse_emotion(name)
    except (ValueError, KeyError, TypeError, UnknownEmotion) as error:
        raise InputError(f"{where}: {error}; each line needs id (or index) and emotion") from None
    if emotion not in CLASSES:
        left_out[name] = left_out.get(name, 0) + 1
    elif known.setdefault(key, emotion) != emotion:
        raise InputError(f"{where}: {key} is {emotion} here and {known[key]} in an earlier line. Keep one of them")
