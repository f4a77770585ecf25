"""Clips of a data set that ``emotrove export`` wrote, verified by experts or not."""

from collections.abc import Iterator

from manifests.errors import InputError
from manifests.storage import Store
from model.speech.clip import SpeechClip
from model.speech.lines import json_lines, stated_duration_s, whole_file
from model.speech.shards import Unusable

PROVENANCE = "provenance.jsonl"
"""It has a row for every clip, with more than the table of the data set says."""


def read_exported(folder: str, machine_labels: bool) -> Iterator[SpeechClip | Unusable]:
    """The clips of a data set; an emotion that no expert has verified counts only with ``machine_labels``.

    Raises
    ------
    InputError : its ``provenance.jsonl`` was not written by emotrove
    """
    root = Store(folder).path().rstrip("/")
    for where, row in json_lines(f"{root}/{PROVENANCE}"):
        try:
            name, audio = row["index"], f"{root}/wav/{row['index']}.wav"
            emotion = row["emotion"] if row["verified"] or machine_labels else None
            known = {key: row[key] for key in ("speaker", "source_id", "language", "text")}
            duration_s = stated_duration_s(row["duration_s"])
        except KeyError as error:
            raise InputError(f"{where}: {error} is missing: emotrove did not write this file. Export again") from error
        except ValueError as error:
            raise InputError(f"{where}: {error}: emotrove did not write this file. Export again") from error
        try:
            yield SpeechClip(name, whole_file(audio), emotion=emotion, duration_s=duration_s, **known)
        except OSError as error:
            yield Unusable("missing_audio", f"{name}: {audio}: {error.strerror or error}")
