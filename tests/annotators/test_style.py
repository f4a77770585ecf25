"""Pitch, loudness and rate of signals whose values are known, and the words for them."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from annotators.base import Annotation, Clip
from annotators.style import Style, level, measure, reference_from

RATE_HZ = 16_000


def voice(seconds: float, pitch_hz: float, level: float = 0.3) -> np.ndarray:
    """Harmonics of one pitch, close to a voice's source."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    wave = sum(np.sin(2 * np.pi * k * pitch_hz * time_s) / k for k in range(1, int(7000 / pitch_hz)))
    return (level * wave / np.abs(wave).max()).astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE_HZ), np.float32)


def clip(samples: np.ndarray, text: str | None = None, language: str | None = "en", **more: Any) -> Clip:
    return Clip("a", samples, language, text, **more)


def row(**measures: Any) -> dict[str, Any]:
    return {"pitch_hz": None, "loudness_lufs": None, "rate_per_s": None, "rate_unit": None, **measures}


# -- measured ----------------------------------------------------------------------------------------------------------


def test_pitch_rate_and_loudness_of_a_steady_voice() -> None:
    samples = np.concatenate([silence(1), voice(2, 200), silence(1)])
    style = measure(clip(samples, "he was a man of ten"))  # six syllables in two seconds
    assert style["pitch_hz"] == pytest.approx(200, rel=0.01)
    assert style["pitch_std_hz"] < 4
    assert style["voiced_fraction"] == pytest.approx(0.5, abs=0.05)
    assert style["rate_per_s"] == pytest.approx(3.0, rel=0.03), "the edges of silence are not spoken"
    assert style["rate_unit"] == "syllables"
    # Of the 23 gating blocks that are not silent 3 + 3 are so in part.
    alone_lufs = measure(clip(voice(2, 200)))["loudness_lufs"]
    assert style["loudness_lufs"] == pytest.approx(alone_lufs + 10 * np.log10(20 / 23), abs=0.05)
    louder = measure(clip(2 * samples))
    assert louder["loudness_lufs"] == pytest.approx(style["loudness_lufs"] + 6.02, abs=0.01)


def test_the_phones_of_the_input_are_preferred_to_the_text() -> None:
    style = measure(clip(voice(2, 150), "one two", phone_count=20))
    assert (style["rate_per_s"], style["rate_unit"]) == (pytest.approx(10.0, rel=0.02), "phones")
    for none in (None, 0):
        style = measure(clip(voice(2, 150), "one two", phone_count=none))
        assert (style["rate_per_s"], style["rate_unit"]) == (pytest.approx(1.0, rel=0.02), "syllables")


def test_the_unit_is_that_of_the_language() -> None:
    style = measure(clip(voice(2, 150), "你好，世界", "zh"))
    assert (style["rate_per_s"], style["rate_unit"]) == (pytest.approx(2.0, rel=0.02), "characters")


@pytest.mark.parametrize("text", [None, "", " … "])
def test_without_words_there_is_no_rate(text: str | None) -> None:
    style = measure(clip(voice(1, 150), text))
    assert (style["rate_per_s"], style["rate_unit"]) == (None, None)
    assert style["pitch_hz"] is not None


def test_silence_has_neither_pitch_nor_loudness_nor_rate() -> None:
    assert measure(clip(silence(1), "said without a sound")) == {
        "pitch_hz": None,
        "pitch_std_hz": None,
        "voiced_fraction": 0.0,
        "loudness_lufs": None,
        "rate_per_s": None,
        "rate_unit": "syllables",
    }


# -- words -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "word"),
    [(89.9, "low"), (90.0, "medium"), (100.0, "medium"), (110.0, "medium"), (110.1, "high"), (None, None)],
)
def test_a_word_is_drawn_at_one_standard_deviation(value: float | None, word: str | None) -> None:
    assert level(value, {"mean": 100.0, "std": 10.0}) == word


def test_without_a_reference_there_is_no_word() -> None:
    assert level(100.0, None) is None


def words(style: Style, clip_: Clip) -> tuple[str | None, ...]:
    (answer,) = style.run([clip_])
    assert isinstance(answer, Annotation)
    found = answer.fields["style"]
    return tuple(found[f"{name}_level"] for name in ("pitch", "loudness", "rate"))


def test_a_clip_is_compared_with_its_own_language_and_unit() -> None:
    around = {"mean": 200.0, "std": 20.0, "n": 30}
    syllables = {"mean": 3.0, "std": 0.5, "n": 30}
    style = Style()
    style.set_reference(
        {
            "languages": {
                "en": {
                    "pitch_hz": around,
                    "loudness_lufs": {"mean": 0.0, "std": 1.0},
                    "rate_per_s:syllables": syllables,
                },
                "de": {"pitch_hz": {"mean": 100.0, "std": 20.0, "n": 30}},
            }
        }
    )
    text = "he was a man of ten"
    assert words(style, clip(voice(2, 200), text)) == ("medium", "low", "medium")
    assert words(style, clip(voice(2, 130), text)) == ("low", "low", "medium")
    assert words(style, clip(voice(1, 300), text)) == ("high", "low", "high")
    assert words(style, clip(voice(2, 200), text, "de")) == ("high", None, None)
    assert words(style, clip(voice(2, 200), text, phone_count=20)) == ("medium", "low", None), (
        "no rate in phones is known"
    )
    for unknown in ("fr", None):
        assert words(style, clip(voice(2, 200), text, unknown)) == (None, None, None)


# -- the reference -----------------------------------------------------------------------------------------------------


def test_mean_and_deviation_of_each_language_and_unit() -> None:
    rows = [
        ("en", row(pitch_hz=100.0, rate_per_s=4.0, rate_unit="syllables")),
        ("en", row(pitch_hz=200.0, rate_per_s=12.0, rate_unit="phones")),
        ("en", row(pitch_hz=300.0, rate_per_s=6.0, rate_unit="syllables")),
        ("zh", row(pitch_hz=150.0, loudness_lufs=-20.0)),
        ("zh", row(loudness_lufs=-24.0)),
        (None, row(pitch_hz=999.0)),
    ]
    assert reference_from(rows, 1) == {
        "languages": {
            "en": {
                "pitch_hz": {"mean": 200.0, "std": pytest.approx(81.649658), "n": 3},
                "rate_per_s:phones": {"mean": 12.0, "std": 0.0, "n": 1},
                "rate_per_s:syllables": {"mean": 5.0, "std": 1.0, "n": 2},
            },
            "zh": {
                "loudness_lufs": {"mean": -22.0, "std": 2.0, "n": 2},
                "pitch_hz": {"mean": 150.0, "std": 0.0, "n": 1},
            },
        }
    }


def test_a_measure_with_too_few_values_is_left_out() -> None:
    rows = [("en", row(pitch_hz=100.0, loudness_lufs=-20.0)), ("en", row(pitch_hz=120.0)), ("zh", row(pitch_hz=90.0))]
    assert reference_from(rows, 2) == {
        "languages": {"en": {"pitch_hz": {"mean": 110.0, "std": 10.0, "n": 2}}, "zh": {}}
    }
    assert reference_from([], 2) == {"languages": {}}


@given(
    values=st.lists(st.tuples(st.sampled_from(["en", "zh"]), st.floats(-1e6, 1e6)), min_size=1, max_size=20),
    seed=st.integers(0, 1000),
)
def test_the_order_of_the_sample_leaves_no_trace(values: list[tuple[str, float]], seed: int) -> None:
    rows = [(language, row(loudness_lufs=value)) for language, value in values]
    shuffled = [rows[i] for i in np.random.default_rng(seed).permutation(len(rows))]
    assert reference_from(shuffled, 1) == reference_from(rows, 1)


def test_what_a_plain_sum_would_show_of_the_order() -> None:
    """Guards the test above: these values give another mean in another order, unless they are sorted."""
    values = [1e16, 1.0, -1e16, 1.0]
    assert len({float(np.mean(order)) for order in itertools.permutations(values)}) > 1
    found = [
        reference_from([("en", row(loudness_lufs=v)) for v in order], 1) for order in itertools.permutations(values)
    ]
    assert all(reference == found[0] for reference in found)
