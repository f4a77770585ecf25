"""Clips that a JSONL file lists, one on each line."""

import json
from collections.abc import Iterator
from typing import Any

from manifests.audio_uri import AudioUri
from manifests.emotions import UnknownEmotion, parse_emotion
from manifests.errors import InputError
from manifests.ids import parse_emilia_id
from manifests.storage import file_size, is_url, open_binary
from manifests.truth import stated_fold, stated_speaker
from model.speech.clip import SpeechClip
from model.speech.shards import Unusable

_IDS, _PATHS = ("id", "index"), ("wav", "audio", "audio_filepath")
_TEXTS = ("emotion", "language", "source_id", "text")
_SECONDS_END = 2**31  # no clip is as long; neither infinity nor NaN, which Python's JSON lets pass, is below it


def read_lines(url: str) -> Iterator[SpeechClip | Unusable]:
    """The clips of a JSONL file; a line whose audio is not there is unusable.

    Raises
    ------
    InputError : the file cannot be read, or a line cannot be understood
    """
    for where, row in json_lines(url):
        try:
            yield _clip(url, row)
        except (ValueError, UnknownEmotion) as error:
            raise InputError(
                f"{where}: {error}; each line needs id (or index), wav (or audio, audio_filepath), and where it is known "
                "emotion, speaker, language, fold, duration"
            ) from error


def json_lines(url: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of a JSONL file, with its file and line.

    Raises
    ------
    InputError : the file cannot be read, or a line is no JSON object
    """
    try:
        with open_binary(url) as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise InputError(f"{url}, line {number}: {error}; each line must be one JSON object") from error
                if not isinstance(row, dict):
                    raise InputError(f"{url}, line {number}: not a JSON object")
                yield f"{url}, line {number}", row
    except OSError as error:
        raise InputError(f"{url} cannot be read: {error.strerror or error}. Check its path") from error


def beside(url: str, path: str) -> str:
    """A path in a file is relative to that file."""
    if is_url(path) or path.startswith(("/", "file://")):
        return path
    return f"{url.rpartition('/')[0] or '.'}/{path.removeprefix('./')}"


def whole_file(path: str) -> str:
    """audio_uri of a file.

    Raises
    ------
    OSError : it is not there
    """
    return str(AudioUri(path, 0, file_size(path)))


def stated_duration_s(value: Any) -> float | None:
    """The duration that a line states; None where it states none.

    Raises
    ------
    ValueError : it is no number of seconds
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < _SECONDS_END:
        raise ValueError(f"the duration is {value!r:.100}, not a number of seconds")
    return float(value)


def _clip(url: str, row: dict[str, Any]) -> SpeechClip | Unusable:
    name = next((row[key] for key in _IDS if row.get(key) is not None), None)
    path = next((row[key] for key in _PATHS if row.get(key) is not None), None)
    if not isinstance(name, str) or not name or not isinstance(path, str) or not path:
        raise ValueError("the id or the path is missing or not text")
    wrong = [key for key in _TEXTS if not isinstance(row.get(key), (str, type(None)))]
    if wrong:
        raise ValueError(f"{', '.join(wrong)} must be text")
    if row.get("emotion") is not None:
        parse_emotion(row["emotion"])
    duration_s = stated_duration_s(row.get("duration", row.get("duration_s")))
    fold, speaker = stated_fold(row), stated_speaker(row)
    found = beside(url, path)
    try:
        audio = whole_file(found)
    except OSError as error:
        return Unusable("missing_audio", f"{name}: {found}: {error.strerror or error}")
    emilia = parse_emilia_id(name)
    return SpeechClip(
        name,
        audio,
        emotion=row.get("emotion"),
        speaker=speaker,
        source_id=row.get("source_id") or (emilia.source_id if emilia else None),
        language=(row.get("language") or "").strip().lower() or (emilia.language.lower() if emilia else None),
        text=row.get("text"),
        fold=fold,
        duration_s=duration_s,
    )
