"""Ids name rows, tasks and files, so what they may hold is a promise."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.ids import MAX_ID_BYTES, derived_id, is_valid_id, make_emilia_id, parse_emilia_id, printable

ANY_TEXT = st.text(st.characters(), max_size=300)  # with lone surrogates, separators and control characters
TAGS = st.text(string.digits, max_size=6)


@given(ANY_TEXT, TAGS)
def test_a_derived_id_is_a_good_name_and_never_an_id_of_the_input(raw: str, tag: str) -> None:
    made = derived_id(raw, tag)
    assert "~" in made and not is_valid_id(made)
    # But for the mark, it keeps every rule that an id keeps.
    assert is_valid_id(made.replace("~", "-"))
    assert set(made) <= set(string.ascii_letters + string.digits + "_.-~")
    assert made == derived_id(raw, tag)


@given(ANY_TEXT.filter(is_valid_id), TAGS)
def test_a_derived_id_differs_from_every_valid_id(text: str, tag: str) -> None:
    assert "~" not in text
    assert derived_id(text, tag) != text


@given(ANY_TEXT, ANY_TEXT)
def test_different_raw_ids_that_are_not_valid_get_different_ids(one: str, other: str) -> None:
    if one != other and not is_valid_id(one) and not is_valid_id(other):
        assert derived_id(one) != derived_id(other)


def test_the_readable_part_and_the_tag_stay() -> None:
    assert derived_id("EN_B00000_S00001_W000002", "7") == "EN_B00000_S00001_W000002~7"
    assert derived_id("../etc/passwd").startswith("etc_passwd~")
    assert derived_id("").startswith("unnamed~") and derived_id("句子/一").startswith("unnamed~")


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "a/b",
        "/a",
        "a\\b",
        "a\nb",
        "a\tb",
        "a\rb",
        "a\0b",
        "a\x7fb",
        "a\x85b",
        "a\u2028b",
        "a\u2029b",
        "a\ud800b",
        "..",
        ".",
        "../a",
        ".hidden",
        " a",
        "a ",
        "a~b",
        "x" * (MAX_ID_BYTES + 1),
        "声" * 67,  # 201 bytes
    ],
)
def test_what_is_no_id(text: str) -> None:
    assert not is_valid_id(text)


@pytest.mark.parametrize(
    "text", ["EN_B00000_S00001_W000002", "a", "a..b", "a b", "03-01-05-01.take", "声" * 66, "x" * MAX_ID_BYTES, "é_1"]
)
def test_what_is_an_id(text: str) -> None:
    assert is_valid_id(text)


numbers = st.integers(0, 99_999)


@given(st.sampled_from(["en", "ZH", "de"]), numbers, numbers, st.integers(0, 9_999_999))
def test_emilia_ids_round_trip(language: str, batch: int, speaker: int, utterance: int) -> None:
    text = make_emilia_id(language, batch, speaker, utterance)
    parsed = parse_emilia_id(text)
    assert parsed is not None and str(parsed) == text and is_valid_id(text)
    assert parsed.language == language.upper()
    assert (int(parsed.batch[1:]), int(parsed.speaker[1:]), int(parsed.utterance[1:])) == (batch, speaker, utterance)
    assert text.startswith(parsed.source_id + "_W")


def test_the_form_of_an_emilia_id() -> None:
    assert make_emilia_id("en", 0, 1, 2) == "EN_B00000_S00001_W000002"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "EN_B00000_S00001",
        "en_B00000_S00001_W000002",
        "EN_B0_S1_W2.mp3",
        "EN_B0_S1_W2\n",
        "xEN_B0_S1_W2",
        "EN_B_S_W",
    ],
)
def test_what_is_no_emilia_id(text: str) -> None:
    assert parse_emilia_id(text) is None


@given(st.text(st.characters()))
def test_printable_text_is_utf8(text: str) -> None:
    shown = printable(text)
    shown.encode("utf-8")
    assert printable(shown) == shown
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert shown == text
