"""Lists of what must stay out of a data set: a published test set, or what somebody asked to have taken down.

Both are one thing: a file of utterance ids and source ids. An Emilia id stands for its source too (``EN_B00000_S00001`` of
``EN_B00000_S00001_W000002``), because other clips of the same recording give the test set, or the person, away as well.
"""

import json
import re
from dataclasses import dataclass

import pyarrow as pa

from manifests.errors import EmotroveError, InputError
from manifests.ids import is_valid_id, parse_emilia_id
from manifests.storage import open_binary

EXCLUSION = pa.schema([pa.field("kind", pa.string(), nullable=False), pa.field("key", pa.string(), nullable=False)])
"""``kind`` is ``id`` or ``source``."""


TAKEDOWN = "takedown.txt"
"""Name of the list in a run folder that holds for whatever is made from the run."""


class ExclusionError(EmotroveError):
    """A line of a list is neither an id nor a row that holds one."""


@dataclass(frozen=True, slots=True)
class Exclusion:
    """What stays out. Two lists are joined with ``|``."""

    ids: frozenset[str] = frozenset()
    sources: frozenset[str] = frozenset()

    def __or__(self, other: "Exclusion") -> "Exclusion":
        return Exclusion(self.ids | other.ids, self.sources | other.sources)

    def reason(self, utterance_id: str, source_id: str | None) -> str | None:
        """Why a clip stays out: ``id``, ``source``, or None where it may stay; what ``exclusion_reason_sql`` says."""
        own = _as_published(utterance_id)
        emilia = parse_emilia_id(own)
        if own in self.ids:
            return "id"
        named = emilia.source_id if emilia else None
        return "source" if source_id in self.sources or named in self.sources else None

    def table(self) -> pa.Table:
        """EXCLUSION, sorted; to be registered with DuckDB for ``exclusion_reason_sql``."""
        rows = [("id", key) for key in sorted(self.ids)] + [("source", key) for key in sorted(self.sources)]
        columns = [pa.array([row[i] for row in rows], pa.string()) for i in range(2)]
        return pa.Table.from_arrays(columns, schema=EXCLUSION)


def exclusion_reason_sql(utterance_id: str, source_id: str, exclusion: str = "exclusion") -> str:
    """A SQL expression for why a clip stays out: ``id``, ``source``, or null where it may stay.

    The source that an Emilia id names counts too, so that a row whose ``source_id`` says something else is still found.

    Parameters
    ----------
    utterance_id, source_id : SQL expressions
    exclusion : the name under which ``Exclusion.table()`` is registered
    """
    form = "^(([A-Z]{2}_B\\d+_S\\d+)_W\\d+)(~.*)?$"
    own = f"coalesce(nullif(regexp_extract({utterance_id}, '{form}', 1), ''), {utterance_id})"
    emilia = f"regexp_extract({utterance_id}, '{form}', 2)"
    ids = f"(SELECT key FROM {exclusion} WHERE kind = 'id')"
    sources = f"(SELECT key FROM {exclusion} WHERE kind = 'source')"
    return (
        f"CASE WHEN {own} IN {ids} THEN 'id' "
        f"WHEN coalesce({source_id} IN {sources}, false) OR {emilia} IN {sources} THEN 'source' END"
    )


def read_exclusion(path: str) -> Exclusion:
    """Read a list: JSONL with ``index`` or ``id`` (and ``source_id``, where a row has one), or a plain id on each line.

    On a plain line an id of an unknown form may name an utterance or a source, and keeps both out. Empty lines and what
    follows a ``#`` after a space are comments.

    Parameters
    ----------
    path : a local path or a URL

    Raises
    ------
    InputError : the file is missing, unreadable, or names nothing
    ExclusionError : a line cannot be understood; the message names file and line
    """
    ids: set[str] = set()
    sources: set[str] = set()
    try:
        with open_binary(path) as file:
            for number, line in enumerate(file, start=1):
                _read_line(line, f"{path}, line {number}", ids, sources)
    except OSError as error:
        raise InputError(f"The list {path} cannot be read: {error.strerror or error}. Check its path") from error
    if not ids and not sources:
        raise InputError(
            f"The list {path} names nothing, so nothing would be kept out. Check that it is the right file"
        )
    return Exclusion(frozenset(ids), frozenset(sources))


def _read_line(line: bytes, where: str, ids: set[str], sources: set[str]) -> None:
    try:
        text = line.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ExclusionError(
            f"{where}: this is not UTF-8 text. Give JSONL, or a text file with an id on each line"
        ) from None
    if text.startswith("{"):
        _read_row(text, where, ids, sources)
        return
    text = re.split(r"(?:^|\s)#", text, maxsplit=1)[0].strip()
    if not text:
        return
    # A table or a list of files would be read as ids that no clip has, and nothing would be kept out.
    if any(sign in text for sign in ',"[]\t') or not is_valid_id(text.replace("~", "-")) or _names_a_file(text):
        raise ExclusionError(
            f'{where}: {text[:80]!r} is not an id. Give one id on each line, or rows such as {{"id": "…"}}'
        )
    own = _as_published(text)
    emilia = parse_emilia_id(own)
    if _is_emilia_source(own):
        sources.add(own)
        return
    ids.add(own)
    sources.add(emilia.source_id if emilia else own)


def _read_row(text: str, where: str, ids: set[str], sources: set[str]) -> None:
    try:
        row = json.loads(text)
    except ValueError as error:
        raise ExclusionError(
            f"{where}: not valid JSON ({error}). Every row must be one JSON object on one line"
        ) from None
    found = [row.get(name) for name in ("index", "id", "utterance_id") if row.get(name) is not None]
    source = row.get("source_id")
    if not all(isinstance(value, str) and value for value in (*found, *([] if source is None else [source]))):
        raise ExclusionError(f"{where}: an id must be a text that is not empty")
    if not found and source is None:
        raise ExclusionError(f"{where}: the row has neither 'index' nor 'id' nor 'source_id'")
    if source is not None:
        sources.add(source)
    for value in found:
        own = _as_published(value)
        ids.add(own)
        emilia = parse_emilia_id(own)
        if emilia is not None:
            sources.add(emilia.source_id)


def _is_emilia_source(text: str) -> bool:
    return parse_emilia_id(f"{text}_W0") is not None


def _names_a_file(text: str) -> bool:
    """Whether it is an Emilia id, or source, with the ending of a file behind it."""
    stem = text.rpartition(".")[0]
    return parse_emilia_id(stem) is not None or _is_emilia_source(stem)


def _as_published(utterance_id: str) -> str:
    """An Emilia id without what ``derived_id`` put behind it when the input used it twice; any other id as it is."""
    head = utterance_id.split("~", 1)[0]
    return head if parse_emilia_id(head) else utterance_id
