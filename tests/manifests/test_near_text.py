"""Texts that are the same recording told twice."""

import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from manifests.near_text import CONTAINED, LETTERS, MIN_NEAR, SYLLABLES, text_links
from manifests.text_key import text_key_sql

LONG = "She told me that the old lighthouse keeper had been seen walking along the cliffs again"


def _texts(*texts: str | None) -> pa.Table:
    return pa.table({"utterance_id": [f"u{n}" for n in range(len(texts))], "text": pa.array(texts, pa.string())})


def _near(*texts: str | None) -> list[tuple[str, str]]:
    return [(row["shorter"], row["longer"]) for row in text_links(_texts(*texts))[1].to_pylist()]


def _same(*texts: str | None) -> list[tuple[str, bool]]:
    return [(row["utterance_id"], row["long"]) for row in text_links(_texts(*texts))[0].to_pylist()]


def test_the_published_test_set_has_19_groups_of_the_same_text(shared_data: Path) -> None:
    rows = [json.loads(line) for line in (shared_data / "emo_emilia" / "Emo-Emilia-ALL.jsonl").open(encoding="utf-8")]
    same, near = text_links(
        pa.table({name: [r[name] for r in rows] for name in ("index", "text")}).rename_columns(["utterance_id", "text"])
    )
    assert same["long"].to_pylist() == [True] * 41
    assert len(set(same["text_key"].to_pylist())) == 19
    assert [(row["shorter"], row["longer"], round(row["contained"], 3)) for row in near.to_pylist()] == [
        ("EN_B00017_S00581_W000000", "EN_B00017_S00463_W000000", 1.0),  # cut at other places
        ("EN_B00036_S03421_W000047", "EN_B00030_S06889_W000049", 0.978),  # "a dessert", "dessert"
    ]


def test_equal_texts_may_differ_in_case_and_punctuation() -> None:
    assert _same(LONG, None, LONG.upper() + "!", "another", None, "") == [("u0", True), ("u2", True)]


@pytest.mark.parametrize(
    "text",
    ["Yes.", "Thank you very much.", "no, no, no, no, no, no, no, no, no", "谢谢你", "哈哈哈哈哈哈哈哈哈哈哈哈", "5"],
)
def test_a_stock_phrase_is_found_but_proves_nothing(text: str) -> None:
    assert _same(text, text) == [("u0", False), ("u1", False)]
    assert _near(text, f"{text} {LONG}") == []


@pytest.mark.parametrize(
    "other",
    [
        LONG.replace("lighthouse", "light house").replace("again", "again and again"),
        LONG.replace("me that", "him"),
        LONG.replace("She told me that the", "the"),
        f"Well, nobody believed it at first. {LONG}. What do you make of that, then, my dear doctor?",
    ],
)
def test_a_text_with_other_words_or_other_ends_is_near(other: str) -> None:
    assert len(_near(LONG, other)) == 1
    assert _near(LONG, "He said that the young lighthouse painter had never been on those rocks before") == []


def test_chinese_is_compared_by_pairs_of_characters() -> None:
    text = "然后我就说你不是最烦鸡汤吗，那怎么的，五十来岁你终于变成了自己最讨厌的人呢。"
    assert _near(text, text.replace("五十来岁", "50来岁")) == [("u0", "u1")]
    assert _near(text, "妈妈以为发生什么大事了，赶紧跑过来看。可是你终于来了。") == []


def test_a_text_without_end_is_cut() -> None:
    endless = "".join(chr(0x4E00 + n % 7000) for n in range(300_000))
    assert _near(endless, endless + "好") == [("u0", "u1")]


def test_equal_texts_are_compared_once() -> None:
    assert _near(LONG, LONG + " today", LONG, LONG + " today") == [("u0", "u1")]


_WORDS = [
    "harbour",
    "violet",
    "never",
    "because",
    "seventeen",
    "windows",
    "carried",
    "shouting",
    "他说",
    "妈妈害怕",
    "海边的房子",
    "然后",
]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(st.lists(st.sampled_from(_WORDS), min_size=4, max_size=14).map(" ".join), min_size=2, max_size=12))
def test_the_search_finds_what_comparing_all_pairs_finds(texts: list[str]) -> None:
    with duckdb.connect() as db:
        db.register("texts", _texts(*texts))
        keyed = db.execute(f"SELECT utterance_id, {text_key_sql('text')} FROM texts").fetchall()
    first: dict[str, str] = {}
    for name, key in keyed:
        first[key] = min(name, first.get(key, name))
    shingles = {}
    for key, name in first.items():
        syllables = sum(not letter.isascii() for letter in key)
        size = SYLLABLES if 2 * syllables > len(key) else LETTERS
        found = {key[at : at + size] for at in range(len(key) - size + 1)}
        if len(found) >= MIN_NEAR[size]:
            shingles[name] = found
    expected = {
        frozenset((a, b))
        for a in shingles
        for b in shingles
        if a < b and len(shingles[a] & shingles[b]) >= CONTAINED * min(len(shingles[a]), len(shingles[b])) - 1e-9
    }
    assert {frozenset(pair) for pair in _near(*texts)} == expected
