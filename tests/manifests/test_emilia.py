"""Whatever JSON stands beside a clip, it becomes a row that fits the schema, or a reason why not."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.emilia import PENDING, MetadataError, identify, new_row, parse_metadata
from manifests.ids import is_valid_id
from pipeline.chunks import Chunk

REAL = {
    "id": "EN_B00000_S00001_W000002",
    "wav": "EN_B00000/EN_B00000_S00001/mp3/EN_B00000_S00001_W000002.mp3",
    "text": " Kids are talking by the door.",
    "duration": 3.72,
    "speaker": "EN_B00000_S00001",
    "language": "EN",
    "dnsmos": 3.5,
    "phone_count": 21,
}


def test_the_columns_that_emilia_gives() -> None:
    row = parse_metadata(json.dumps(REAL).encode())
    assert row == {
        "utterance_id": "EN_B00000_S00001_W000002",
        "text": " Kids are talking by the door.",
        "language": "en",
        "speaker": "EN_B00000_S00001",
        "license": None,
        "stated_duration_s": 3.72,
        "phone_count": 21,
        "quality": {"dnsmos": 3.5},
    }


def test_what_may_be_absent() -> None:
    row = parse_metadata(b'{"id": "x", "text": "", "language": "zh"}')
    assert (row["text"], row["language"], row["speaker"], row["phone_count"], row["quality"]) == (
        "",
        "zh",
        None,
        None,
        None,
    )


@pytest.mark.parametrize("name", ["id", "text", "language"])
def test_what_may_not_be_absent(name: str) -> None:
    for broken in ({k: v for k, v in REAL.items() if k != name}, {**REAL, name: None}):
        with pytest.raises(MetadataError, match=f"lacks {name}") as raised:
            parse_metadata(json.dumps(broken).encode())
        assert raised.value.reason == "missing_field"


def test_the_recording_of_a_clip() -> None:
    """All clips of one recording stay on one side of a split, whatever the input says of speakers."""
    row = identify({**new_row("s", 0, str(REAL["id"])), "speaker": "someone"}, "key", set())
    assert (row["source_id"], row["language"]) == ("EN_B00000_S00001", "en")
    row = identify({**new_row("s", 0, "x"), "speaker": "someone", "language": "de"}, "key", set())
    assert (row["source_id"], row["language"]) == ("someone", "de")
    assert identify({**new_row("s", 0, "x"), "speaker": " "}, "key", set())["source_id"] is None


texts = st.text(st.characters(), max_size=20)
numbers = st.integers() | st.floats() | st.sampled_from([2**31, 2**31 - 1, 1e308, 10**400, -1, True])
values = st.none() | texts | numbers | st.lists(numbers, max_size=2) | st.dictionaries(texts, texts, max_size=2)
fields = st.sampled_from([*REAL, "license", "outcome", "position", "audio"])


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(fields, values), st.lists(texts, max_size=3))
def test_any_object_becomes_a_row_that_fits_or_a_reason(changes: dict[str, object], ids: list[str]) -> None:
    try:
        found = parse_metadata(json.dumps({**REAL, **changes}).encode())
    except MetadataError as error:
        assert error.reason in ("missing_field", "invalid_field", "invalid_json") and str(error)
        return
    seen: set[str] = set()
    rows = []
    for position, other in enumerate([found["utterance_id"], *ids, found["utterance_id"]]):
        row = {**new_row("s", position, "key"), **found, "utterance_id": other}
        rows.append(identify(row, "key", seen))
    assert len({row["utterance_id"] for row in rows}) == len(rows)
    for row in rows:
        kept = row["outcome"] == PENDING
        assert kept == is_valid_id(row["utterance_id"]) and kept == (row.get("reason") is None)
    (back,) = Chunk.from_table(Chunk("s", 0, len(rows), rows).to_table())
    for row, same in zip(rows, back.clips, strict=True):
        assert (same["position"], same["outcome"], same["text"]) == (row["position"], row["outcome"], row["text"])
        assert same["phone_count"] == row["phone_count"] and same["audio"] is None
