"""Utterance ids: which ids are accepted, what an Emilia id says, and ids made for what has none.

An id names a row, a task and later a file, so an id that could leave its folder or break a line is not accepted.
A derived id holds a ``~``; an accepted id never does, so the two cannot meet.
"""

import hashlib
import re
from dataclasses import dataclass

MAX_ID_BYTES = 200  # a file name made from an id and a suffix stays below the 255 bytes of common file systems

_EMILIA = re.compile(r"(?P<language>[A-Z]{2})_(?P<batch>B\d+)_(?P<speaker>S\d+)_(?P<utterance>W\d+)")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff/\\~]")


@dataclass(frozen=True, slots=True)
class EmiliaId:
    """An id of the form ``EN_B00000_S00001_W000002``: language, batch, source (speaker) and utterance."""

    language: str
    batch: str
    speaker: str
    utterance: str

    def __str__(self) -> str:
        return f"{self.language}_{self.batch}_{self.speaker}_{self.utterance}"

    @property
    def source_id(self) -> str:
        """The recording the utterance was cut from; all of its utterances stay on one side of a split."""
        return f"{self.language}_{self.batch}_{self.speaker}"


def parse_emilia_id(text: str) -> EmiliaId | None:
    """The parts of an Emilia id, or None where the text is not one."""
    match = _EMILIA.fullmatch(text)
    return EmiliaId(**match.groupdict()) if match else None


def make_emilia_id(language: str, batch: int, speaker: int, utterance: int) -> str:
    """An id in Emilia's form, e.g. ``make_emilia_id("en", 0, 1, 2) == "EN_B00000_S00001_W000002"``."""
    return f"{language.upper()}_B{batch:05d}_S{speaker:05d}_W{utterance:06d}"


def is_valid_id(text: str) -> bool:
    """Whether an id can be kept as it is: no separator, control character, ``~`` or leading dot, at most 200 bytes."""
    return (
        len(text) > 0
        and text == text.strip()
        and not text.startswith(".")
        and _FORBIDDEN.search(text) is None
        and len(text.encode()) <= MAX_ID_BYTES
    )


def derived_id(raw: str, tag: str = "") -> str:
    """An id for what cannot keep its own: the readable part of ``raw``, ``~``, and a tag or a hash of ``raw``.

    Deterministic: the same raw text and tag always give the same id.
    """
    readable = re.sub(r"[^\w.-]+", "_", raw, flags=re.ASCII).strip("._")[:80] or "unnamed"
    digest = hashlib.blake2b(raw.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
    return f"{readable}~{tag}" if tag and is_valid_id(raw) else f"{readable}~{digest}{tag}"


def printable(text: str) -> str:
    """Text that is valid UTF-8, whatever bytes a file name held: what is not becomes a backslash escape."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
