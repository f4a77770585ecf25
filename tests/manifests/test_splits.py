"""Splits whose parts share nothing, balanced as far as groups allow."""

import itertools
import json
import math
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manifests.groups import GROUP_ROWS, SplitError
from manifests.ids import parse_emilia_id
from manifests.splits import Splits, assign, parse_ratios

LONG = "She told me that the old lighthouse keeper had been seen walking along the cliffs again"
EIGHTY = {"train": 0.8, "validation": 0.1, "test": 0.1}


def _table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=GROUP_ROWS)


def _of(splits: Splits) -> dict[str, str]:
    return dict(zip(splits.table["utterance_id"].to_pylist(), splits.table["split"].to_pylist(), strict=True))


@pytest.fixture(scope="module")
def emo_emilia(shared_data: Path) -> list[dict[str, Any]]:
    rows = []
    with (shared_data / "emo_emilia" / "Emo-Emilia-ALL.jsonl").open(encoding="utf-8") as lines:
        for row in map(json.loads, lines):
            emilia = parse_emilia_id(row["index"])
            assert emilia is not None
            rows.append(
                {"utterance_id": row["index"], "emotion": row["emotion"], "text": row["text"]}
                | {"language": emilia.language.lower(), "source_id": emilia.source_id}
            )
    return rows


@pytest.mark.parametrize("seed", [0, 1])
def test_the_published_test_set_is_split_without_a_leak(emo_emilia: list[dict[str, Any]], seed: int) -> None:
    splits = assign(_table(emo_emilia), EIGHTY, seed)
    split_of = _of(splits)
    texts, sources = defaultdict(set), defaultdict(set)
    for row in emo_emilia:
        texts["".join(filter(str.isalnum, row["text"].lower()))].add(row["utterance_id"])
        sources[row["source_id"]].add(row["utterance_id"])
    twice = [ids for ids in texts.values() if len(ids) > 1]
    assert len(twice) == 19 and sum(len(ids) - 1 for ids in twice) == 22
    assert sorted(splits.report.same_text.groups) == sorted(sorted(ids) for ids in twice)
    assert splits.report.same_text.extra_rows == 22
    for ids in [*twice, *sources.values()]:
        assert len({split_of[name] for name in ids}) == 1
    assert Counter(split_of.values()) == {"train": 1120, "validation": 140, "test": 140}
    for one in splits.report.classes:
        assert (one.rows, one.got["train"]) == (100, 80)
    assert splits.report.groups == 1210 and splits.report.warnings == []


def test_seeds_give_other_splits(emo_emilia: list[dict[str, Any]]) -> None:
    tests = []
    for seed in (0, 1):
        tests.append({name for name, split in _of(assign(_table(emo_emilia), EIGHTY, seed)).items() if split == "test"})
    assert len(tests[0] & tests[1]) < 40  # 14 by chance


_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "language": st.sampled_from(["en", "zh", None]),
            "emotion": st.sampled_from(["angry", "sad", "happy"]),
            "source_id": st.none() | st.integers(0, 25).map(lambda n: f"s{n}"),
            "speaker": st.none() | st.sampled_from(["", "SPEAKER_00", "SPEAKER_01", *(f"p{n}" for n in range(40))]),
            "text": st.sampled_from(
                [None, "yes", LONG, LONG.upper(), LONG[10:], *(f"{n} {LONG[::-1]}" for n in range(9))]
            ),
            "audio_sha256": st.none() | st.integers(0, 40).map(str),
        }
    ),
    min_size=1,
    max_size=60,
)
_KEYS = st.sets(st.sampled_from(["source", "speaker", "text", "audio"]))


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(_ROWS, st.integers(0, 3), st.randoms(use_true_random=False), _KEYS)
def test_nothing_is_on_two_sides_whatever_the_rows(
    rows: list[dict[str, Any]], seed: int, chance: Any, by: set[Any]
) -> None:
    rows = [{"utterance_id": f"u{n:03d}", **row} for n, row in enumerate(rows)]
    splits = assign(_table(rows), EIGHTY, seed, by=by)
    split_of = _of(splits)
    assert set(split_of) == {row["utterance_id"] for row in rows} and set(split_of.values()) <= set(EIGHTY)
    held = {
        "source": lambda row: row["source_id"],
        "speaker": lambda row: row["speaker"] and (row["speaker"][0] == "S" and row["source_id"], row["speaker"]),
        "text": lambda row: (row["text"] or "").lower() if row["text"] != "yes" else None,
        "audio": lambda row: row["audio_sha256"],
    }
    for key in by:
        sides = defaultdict(set)
        for row in rows:
            if held[key](row):
                sides[held[key](row)].add(split_of[row["utterance_id"]])
        assert all(len(found) == 1 for found in sides.values()), key
    if "text" in by:  # near, not equal
        lights = {split_of[row["utterance_id"]] for row in rows if row["text"] in (LONG, LONG.upper(), LONG[10:])}
        assert len(lights) <= 1
    shuffled = list(rows)
    chance.shuffle(shuffled)
    again = assign(_table(shuffled), EIGHTY, seed, by=by)
    assert again.table.equals(splits.table) and again.report.to_json() == splits.report.to_json()
    assert sum(size.got for size in splits.report.splits.values()) == len(rows) == splits.report.rows
    json.dumps(splits.report.to_json(), allow_nan=False)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=30)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 4)), min_size=150, max_size=300),
    st.sampled_from(["80/10/10", "70/15/15", "50/0/50", "34/33/33"]),
    st.integers(0, 99),
)
def test_sizes_come_close_where_groups_are_small(groups: list[tuple[str, int]], parts: str, seed: int) -> None:
    rows = [
        {"utterance_id": f"u{n:03d}-{i}", "source_id": f"s{n}", "emotion": emotion}
        for n, (emotion, size) in enumerate(groups)
        for i in range(size)
    ]
    ratios = parse_ratios(parts)
    found = assign(_table(rows), ratios, seed).report
    for name, part in ratios.items():
        assert abs(found.splits[name].got - part * len(rows)) <= 4
        for one in found.classes:
            assert abs(one.got[name] - part * one.rows) <= 4
    assert set(found.splits) == set(ratios)


def test_one_row_is_for_training() -> None:
    assert _of(assign(_table([{"utterance_id": "a"}]), EIGHTY)) == {"a": "train"}


def test_a_giant_group_is_told_with_its_reason() -> None:
    rows = [{"utterance_id": f"u{n:02d}", "source_id": f"actor{n % 20}", "text": LONG} for n in range(80)]
    found = assign(_table(rows), EIGHTY).report
    assert (found.largest.rows, found.largest.sources) == (80, 20)
    assert found.largest.without == {"source": 80, "speaker": 80, "text": 4, "audio": 80}
    assert "holds 80 of 80 rows from 20 sources" in found.warnings[0]
    assert "If text joined no rows, the largest group would have 4." in found.warnings[0]
    assert "leave text out" in found.warnings[0]
    assert [warning.split(" was")[0] for warning in found.warnings[1:4]] == ["train", "validation", "test"]
    assert "none of its 80 rows is in validation and test" in found.warnings[4]
    assert assign(_table(rows), EIGHTY, by=("source", "speaker", "audio")).report.warnings == []


def test_a_group_that_everything_joins_is_told_too() -> None:
    rows = [{"utterance_id": f"u{n:02d}", "source_id": "one", "audio_sha256": "same"} for n in range(40)]
    assert "No single key joins it" in assign(_table(rows), EIGHTY).report.warnings[0]


def test_the_report_lists_what_is_there_twice() -> None:
    rows = [
        {"utterance_id": "a", "audio_sha256": "1", "text": "yes"},
        {"utterance_id": "c", "audio_sha256": "1", "text": "Yes!"},
        {"utterance_id": "b", "text": LONG},
        {"utterance_id": "d", "text": LONG + " today"},
    ]
    found = assign(_table(rows), EIGHTY).report.to_json()
    assert found["same_audio"] == {"groups": 1, "extra_rows": 1, "ids": [["a", "c"]]}
    assert found["short_text"] == {"groups": 1, "extra_rows": 1, "ids": [["a", "c"]]}
    assert found["near_text"] == [{"shorter": "b", "longer": "d", "contained": 1.0}]
    assert found["same_text"]["groups"] == 0 and found["group_sizes"] == {"2": 2} and found["groups"] == 2


def test_parts_are_read() -> None:
    assert parse_ratios("80/10/10") == EIGHTY == parse_ratios("0.8/0.1/0.1")
    assert parse_ratios("90/0/10") == {"train": 0.9, "test": 0.1}
    assert math.fsum(parse_ratios("33.4/33.3/33.3").values()) == pytest.approx(1)


@pytest.mark.parametrize(
    "text", ["80/10", "80/10/10/0", "a/b/c", "", "80/10/20", "-10/100/10", "nan/1/0", "inf/1/1", "0/0/0"]
)
def test_parts_that_make_no_whole_are_an_error(text: str) -> None:
    with pytest.raises(SplitError, match="such as 80/10/10"):
        parse_ratios(text)


@pytest.mark.parametrize("ratios", [{}, {"train": 1.0, "test": 0.0}, {"train": 0.5}, {"train": math.nan}])
def test_ratios_that_make_no_whole_are_an_error(ratios: dict[str, float]) -> None:
    with pytest.raises(SplitError, match="above 0"):
        assign(_table([{"utterance_id": "a"}]), ratios)


def test_no_rows_are_an_error() -> None:
    with pytest.raises(SplitError, match="no rows"):
        assign(_table([]), EIGHTY)


def test_a_large_group_does_not_starve_the_small_splits() -> None:
    rows = [{"utterance_id": f"big{n}", "source_id": "big", "emotion": "sad"} for n in range(50)]
    rows += [
        {"utterance_id": f"u{n}", "emotion": e}
        for n, e in zip(range(50), itertools.cycle(["sad", "happy"]), strict=False)
    ]
    found = assign(_table(rows), EIGHTY).report
    assert [size.got for size in found.splits.values()] == [80, 10, 10]
    assert all(warning.startswith("One group") for warning in found.warnings)
