"""Which rows must stay together."""

import random
from typing import Any

import pyarrow as pa
import pytest

from manifests.groups import GROUP_ROWS, SplitError, group_rows
from manifests.near_text import text_links

LONG = "She told me that the old lighthouse keeper had been seen walking along the cliffs again"


def _rows(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist([{"utterance_id": f"u{n}", **row} for n, row in enumerate(rows)], schema=GROUP_ROWS)


def _of(table: pa.Table, **options: Any) -> list[int]:
    groups = group_rows(table, **options)
    assert groups.rows["utterance_id"].to_pylist() == sorted(table["utterance_id"].to_pylist())
    return groups.of.tolist()


def test_rows_that_share_nothing_stay_apart() -> None:
    assert _of(_rows({}, {}, {"text": ""}, {"text": ""})) == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["source_id", "speaker", "text", "audio_sha256"])
def test_each_key_joins(name: str) -> None:
    table = _rows({name: LONG}, {name: "another"}, {name: LONG}, {})
    assert _of(table) == [0, 1, 0, 2]
    key = {"source_id": "source", "audio_sha256": "audio"}.get(name, name)
    others = {"source", "speaker", "text", "audio"} - {key}
    assert _of(table, by=others) == [0, 1, 2, 3]


def test_a_chain_is_one_group() -> None:
    table = _rows(
        {"source_id": "a"},
        {"source_id": "b"},
        {"source_id": "a", "audio_sha256": "1"},
        {"audio_sha256": "1", "text": LONG},
        {"text": "Yes. " + LONG, "source_id": "b"},
        {"source_id": "c"},
    )
    groups = group_rows(table)
    assert groups.of.tolist() == [0, 0, 0, 0, 0, 1]
    assert groups.sizes.tolist() == [5, 1] and groups.names.to_pylist() == ["u0", "u5"]
    assert {key: groups.largest_without(key) for key in groups.by} == {"source": 3, "speaker": 5, "text": 3, "audio": 3}


def test_a_speaker_is_the_same_person_in_every_source() -> None:
    table = _rows(
        {"source_id": "a", "speaker": "ann"},
        {"source_id": "b", "speaker": "ann"},
        {"source_id": "b", "speaker": "bob"},
        {"speaker": "ann"},
    )
    assert _of(table, by=["speaker"]) == [0, 0, 1, 0]
    assert _of(table) == [0, 0, 0, 0]


def test_names_given_by_diarisation_mean_another_person_in_each_source() -> None:
    table = _rows(
        {"source_id": "a", "speaker": "SPEAKER_00"},
        {"source_id": "b", "speaker": "SPEAKER_00"},
        {"source_id": "a", "speaker": "SPEAKER_00"},
        {"source_id": "a", "speaker": "SPEAKER_01"},
        {"speaker": "SPEAKER_00"},
        {"speaker": "SPEAKER_00"},
        {"source_id": "b", "speaker": "SPEAKER_00 of the choir"},
    )
    assert _of(table, by=["speaker"]) == [0, 1, 0, 2, 3, 3, 4]


@pytest.mark.parametrize("name", ["source_id", "speaker"])
def test_an_empty_name_joins_nothing(name: str) -> None:
    assert _of(_rows({name: ""}, {name: ""}, {name: " "}, {name: " "})) == [0, 1, 2, 3]


def test_groups_are_named_by_their_smallest_id_in_any_order_of_rows() -> None:
    rows = [{"utterance_id": f"u{n:02d}", "source_id": f"s{n % 7}"} for n in range(40)]
    expected = None
    for seed in range(5):
        random.Random(seed).shuffle(rows)
        groups = group_rows(pa.Table.from_pylist(rows, schema=GROUP_ROWS))
        found = (groups.of.tolist(), groups.names.to_pylist())
        expected = expected or found
        assert found == expected
    assert expected is not None and expected[1] == [f"u{n:02d}" for n in range(7)]


def test_near_texts_join_all_rows_of_both_texts() -> None:
    near = LONG + " today"
    table = _rows({"text": LONG}, {"text": near}, {"text": near}, {"text": LONG}, {"text": "Yes."}, {"text": "Yes."})
    assert text_links(table)[1].num_rows == 1
    assert _of(table) == [0, 0, 0, 0, 1, 2]


def test_what_cannot_be_grouped_is_an_error() -> None:
    with pytest.raises(SplitError, match="The id u1 is there twice, and 1 rows in all"):
        group_rows(_rows({}, {}, {"utterance_id": "u1"}))
    with pytest.raises(SplitError, match="lack speaker"):
        group_rows(_rows({}).drop_columns(["speaker"]))
    with pytest.raises(SplitError, match="by mood: choose from source, speaker, text, audio"):
        group_rows(_rows({}), by=["mood"])  # type: ignore[list-item]
    assert _of(_rows()) == []
