"""Counts of what is spoken."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotators.text_units import speech_units

LANGUAGES = ["en", "fr", "de", "zh", "ja", "ko", "ru", None]


@pytest.mark.parametrize(
    ("word", "count"),
    [
        ("door", 1), ("talking", 2), ("make", 1), ("names", 1), ("loved", 1), ("wanted", 2), ("little", 2),
        ("apples", 2), ("smile", 1), ("places", 2), ("churches", 2), ("clothes", 1), ("the", 1), ("sheep", 1),
        ("emotion", 3), ("nth", 1), ("don't", 1), ("don’t", 1), ("MAKE", 1),
    ],
)  # fmt: skip
def test_english_syllables(word: str, count: int) -> None:
    assert speech_units(word, "en") == (count, "syllables")


@pytest.mark.parametrize(
    ("text", "language", "count", "unit"),
    [
        ("Kids are talking by the door.", "en", 7, "syllables"),
        ("petite", "fr", 2, "syllables"),
        ("café", "fr", 2, "syllables"),
        ("les filles", "fr", 2, "syllables"),
        ("théâtre", "fr", 2, "syllables"),
        ("année", "fr", 2, "syllables"),
        ("qu'il", "fr", 1, "syllables"),
        ("maître", "fr", 1, "syllables"),
        ("Straße, Mädchen, Übung", "de", 6, "syllables"),
        ("Häuser", "de", 2, "syllables"),
        ("día", "es", 2, "syllables"),
        ("ＥＭＯＴＩＯＮ", "en", 3, "syllables"),
        ("你好，世界！", "zh", 4, "characters"),
        ("今天 OK 吗？", "zh-CN", 4, "characters"),
        ("コーヒー、ください。", "ja", 8, "characters"),
        ("안녕하세요", "ko", 5, "characters"),
        ("привет, мир", "ru", 9, "letters"),
        ("hello", None, 5, "letters"),
        ("hello 你好", "en", 4, "syllables"),
        ("naïve", "xx", 5, "letters"),
    ],
)
def test_texts(text: str, language: str | None, count: int, unit: str) -> None:
    assert speech_units(text, language) == (count, unit)


@pytest.mark.parametrize(
    ("digits", "language", "count"),
    [("7", "en", 1), ("24", "en", 3), ("2024", "zh", 6), ("3.14", "en", 4), ("２４", "ja", 3), ("24", "ru", 10)],
)
def test_digits_are_read_out(digits: str, language: str, count: int) -> None:
    assert speech_units(digits, language)[0] == count


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("text", ["", "   ", "… — !?。、「」", "'", "’’", "_", "\n\t", "😀", "\u0301"])
def test_nothing_is_spoken(text: str, language: str | None) -> None:
    assert speech_units(text, language)[0] == 0


@pytest.mark.parametrize("code", ["EN", "en-US", "en_gb", " en "])
def test_language_codes_in_other_spellings(code: str) -> None:
    assert speech_units("make", code) == speech_units("make", "en") == (1, "syllables")


@pytest.mark.parametrize("language", LANGUAGES)
@given(text=st.text(max_size=40))
def test_any_text_gives_a_count_and_the_unit_of_its_language(language: str | None, text: str) -> None:
    count, unit = speech_units(text, language)
    assert count >= 0
    assert unit == speech_units("", language)[1]


@pytest.mark.parametrize("language", LANGUAGES)
@given(words=st.lists(st.sampled_from(["make", "été", "Übung", "привет", "你好", "カフェ", "감사", "24"]), max_size=8))
def test_words_add_up_and_punctuation_does_not(language: str | None, words: list[str]) -> None:
    alone = sum(speech_units(word, language)[0] for word in words)
    assert speech_units(" ".join(words), language)[0] == alone
    assert speech_units("“" + "!, ".join(words) + "…”", language)[0] == alone
    assert alone >= len(words)


@pytest.mark.parametrize("language", LANGUAGES)
@given(text=st.text(alphabet="éèüñçガぎ한국어ab e,'", max_size=20))
def test_composed_and_decomposed_text_count_alike(language: str | None, text: str) -> None:
    decomposed = unicodedata.normalize("NFD", text)
    assert speech_units(decomposed, language) == speech_units(unicodedata.normalize("NFC", text), language)
