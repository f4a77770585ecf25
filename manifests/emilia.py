"""The JSON beside an Emilia clip: what it must hold, and what becomes of one that does not.

A row in the making is a plain dict with the columns of ``manifests.schema.LABELS`` and ``audio``, the encoded bytes.
Its outcome is ``pending`` until it leaves the chain.
"""

import json
from typing import Any

from manifests.ids import derived_id, is_valid_id, parse_emilia_id, printable

PENDING = "pending"
Row = dict[str, Any]

_REQUIRED = ("id", "text", "language")
_NUMBERS_END = 2**31  # scores, counts and seconds; a column holds no larger ones


def new_row(shard: str, position: int, utterance_id: str) -> Row:
    """A row that has not been anywhere yet."""
    return {"utterance_id": utterance_id, "shard": shard, "position": position, "outcome": PENDING}


def fail(row: Row, stage: str, reason: str, detail: str) -> Row:
    """End a row as ``failed``: something went wrong with it, and it can be tried again."""
    row.update(outcome="failed", stage=stage, reason=reason, detail=printable(detail)[:2000])
    return row


def reject(row: Row, stage: str, reason: str, value: float | None = None, detail: str | None = None) -> Row:
    """End a row as ``rejected``: it was measured, or looked at, and is not wanted."""
    row.update(
        outcome="rejected", stage=stage, reason=reason, reason_value=value, detail=detail and printable(detail)[:2000]
    )
    return row


class MetadataError(Exception):
    """The JSON of one clip cannot be used; ``reason`` is the code for the row."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def parse_metadata(raw: bytes) -> Row:
    """The columns that the JSON of an Emilia clip gives, with its ``id`` under ``utterance_id``.

    Raises
    ------
    MetadataError : ``invalid_json``, ``missing_field`` or ``invalid_field``
    """
    try:
        data = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise MetadataError("invalid_json", f"the JSON is not UTF-8: {error}") from None
    except (ValueError, RecursionError) as error:
        raise MetadataError("invalid_json", f"not JSON: {error}") from None
    if not isinstance(data, dict):
        raise MetadataError("invalid_json", f"the JSON is a {type(data).__name__}, not an object")
    missing = [name for name in _REQUIRED if data.get(name) is None]
    if missing:
        raise MetadataError("missing_field", f"the JSON lacks {', '.join(missing)}")
    speaker = _text(data, "speaker")
    dnsmos = _number(data, "dnsmos")
    phone_count = _number(data, "phone_count")
    stated_duration_s = _number(data, "duration")
    return {
        "utterance_id": _text(data, "id"),
        "text": _text(data, "text"),
        "language": (_text(data, "language") or "").strip().lower() or None,
        "speaker": speaker,
        "license": _text(data, "license"),
        "stated_duration_s": stated_duration_s,  # for inspect; the row keeps the measured one
        "phone_count": None if phone_count is None else int(phone_count),
        "quality": None if dnsmos is None else {"dnsmos": dnsmos},
    }


def identify(row: Row, key: str, seen: set[str]) -> Row:
    """Give a row an id that is valid and new in its shard; ``seen`` collects them.

    The row keeps its own id where it can. One with an id that cannot be kept, or that the shard has had, is rejected under a
    derived id.
    """
    own = row["utterance_id"] if row["utterance_id"] is not None else key
    if not is_valid_id(own):
        row["utterance_id"] = derived_id(own)
        if row["outcome"] == PENDING:
            reject(row, "read", "invalid_id", detail=f"the id {own!r} holds characters that an id may not have")
    elif own in seen:
        row["utterance_id"] = derived_id(own, f"{row['position']}")
        if row["outcome"] == PENDING:
            reject(row, "read", "duplicate_id", detail=f"the shard has another utterance {own!r} before this one")
    else:
        row["utterance_id"] = own
    if row["utterance_id"] in seen:
        row["utterance_id"] = derived_id(row["utterance_id"], f"{row['position']}")
    seen.add(row["utterance_id"])
    emilia = parse_emilia_id(own)
    row["source_id"] = emilia.source_id if emilia else (row.get("speaker") or "").strip() or None
    if emilia and row.get("language") is None:
        row["language"] = emilia.language.lower()
    return row


def _text(data: Row, name: str) -> str | None:
    value = data.get(name)
    if value is None:
        return None
    if not isinstance(value, str):
        raise MetadataError("invalid_field", f"the JSON's {name} is {value!r}, not text")
    return printable(value)


def _number(data: Row, name: str) -> float | None:
    value = data.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < _NUMBERS_END:
        raise MetadataError(
            "invalid_field", f"the JSON's {name} is {value!r:.100}, not a number from 0 to {_NUMBERS_END}"
        )
    return float(value)
