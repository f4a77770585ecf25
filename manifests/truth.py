"""Reading a list of known emotions: the truth of an evaluation or a training, the gold items of a review."""

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from manifests.emotions import CLASSES, Emotion, UnknownEmotion, parse_emotion
from manifests.errors import InputError


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one clip: one of the seven emotions, and where the file says so, who speaks and the fold it tests."""

    emotion: Emotion
    fold: int | None = None
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Truth:
    """A list of known emotions."""

    clips: dict[str, Known] = field(default_factory=dict)  # by id
    others: dict[str, str] = field(default_factory=dict)  # id to the emotion as written, where it is none of the seven

    @property
    def other_classes(self) -> dict[str, int]:
        """How many clips have an emotion that is none of the seven, by its name as written."""
        return dict(Counter(self.others.values()))


def read_truth(path: Path) -> Truth:
    """Read a JSONL of ``id`` (or ``index``) and ``emotion``.

    A line may also say ``speaker`` (or ``actor``), and ``fold`` (or ``emobox_test_fold``), the number of the fold in which the
    clip is tested.

    Raises
    ------
    InputError : the file cannot be read, a line cannot be understood, or an id is there twice and differs
    """
    truth = Truth()
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    _read_line(line, f"{path}, line {number}", truth)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    return truth


def _read_line(line: bytes, where: str, truth: Truth) -> None:
    needs = "each line needs id (or index) and emotion, as JSON"
    try:
        row = json.loads(line)
        key, name = str(row["id"] if "id" in row else row["index"]), str(row["emotion"])
        emotion = parse_emotion(name)
        known = Known(emotion, stated_fold(row), stated_speaker(row))
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: this is not JSON ({error.msg}); {needs}") from None
    except KeyError as error:
        raise InputError(f"{where}: no {error}; {needs}") from None
    except (ValueError, TypeError, UnknownEmotion) as error:
        raise InputError(f"{where}: {error}; {needs}") from None
    if emotion not in CLASSES:
        truth.others[key] = name
        return
    earlier = truth.clips.setdefault(key, known)
    if earlier.emotion != emotion:
        raise InputError(f"{where}: {key} is {emotion} here and {earlier.emotion} in an earlier line. Keep one of them")
    if earlier != known:
        raise InputError(f"{where}: {key} has another speaker or fold here than in an earlier line. Keep one of them")


def stated_fold(row: dict[str, Any]) -> int | None:
    """The fold that a row of labels names, or None.

    Raises
    ------
    ValueError : it is not a whole number
    """
    fold = row.get("fold", row.get("emobox_test_fold"))
    if fold is None or (isinstance(fold, int) and not isinstance(fold, bool)):
        return fold
    raise ValueError(f"the fold is {fold!r}, not a whole number")


def stated_speaker(row: dict[str, Any]) -> str | None:
    """The speaker that a row of labels names, or None.

    Raises
    ------
    ValueError : it is neither text nor a number
    """
    speaker = row.get("speaker", row.get("actor"))
    if speaker is None or (isinstance(speaker, (str, int)) and not isinstance(speaker, bool)):
        return None if speaker is None or not str(speaker).strip() else str(speaker)
    raise ValueError(f"the speaker is {speaker!r}, neither text nor a number")
