"""What is measured of signals made for it, and what the gate lets through."""

import numpy as np
import pytest
from pydantic import ValidationError

from annotators.base import Annotation, Clip, Rejection
from annotators.quality import Quality

RATE_HZ = 16_000


def tone(seconds: float, level: float) -> np.ndarray:
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    return (level * np.sin(2 * np.pi * 997 * time_s)).astype(np.float32)


def annotate(samples: np.ndarray, options: dict[str, object] | None = None, dnsmos: float | None = None) -> Annotation:
    fields = {"quality": {"dnsmos": dnsmos}} if dnsmos is not None else {"quality": None}
    (answer,) = Quality(options).run([Clip("a", samples, "en", None, fields=fields)])
    assert isinstance(answer, Annotation)
    return answer


SILENCE = np.zeros(RATE_HZ, np.float32)
CLIPPED = np.clip(tone(1, 4.0), -1, 1)  # a good part of every period at full scale


def test_measures_of_a_tone_between_silences() -> None:
    answer = annotate(np.concatenate([SILENCE, tone(2, 0.5), SILENCE]))
    measured = answer.fields["quality"]
    assert answer.rejection is None
    # -3.01 of a full-scale tone, half its level, and 3 + 3 of 23 gating blocks that are partly silent.
    assert measured["loudness_lufs"] == pytest.approx(-3.01 - 6.02 - 0.61, abs=0.1)
    assert measured["peak"] == pytest.approx(0.5, abs=1e-3)
    assert measured["clipped_fraction"] == 0.0
    assert measured["silence_fraction"] == pytest.approx(0.5, abs=0.01)
    assert (measured["speech_start_s"], measured["speech_end_s"]) == pytest.approx((1.0, 3.0), abs=0.02)


def test_clipping_is_measured() -> None:
    # A sine at four times full scale is above it for 1 - 2/pi * asin(1/4) of the time.
    expected = 1 - 2 / np.pi * np.arcsin(0.25)
    assert annotate(CLIPPED).fields["quality"]["clipped_fraction"] == pytest.approx(expected, abs=0.1)


def test_digital_silence_is_rejected_and_measured_all_the_same() -> None:
    answer = annotate(SILENCE)
    assert answer.rejection == Rejection("silent", 0.0)
    assert answer.fields["quality"] == {
        "loudness_lufs": None,
        "peak": 0.0,
        "clipped_fraction": 0.0,
        "silence_fraction": 1.0,
        "speech_start_s": 0.0,
        "speech_end_s": 0.0,
    }


@pytest.mark.parametrize(
    ("samples", "options", "reason"),
    [
        (tone(1, 0.0015), {}, None),
        (tone(1, 0.0015), {"min_peak": 0.002}, "silent"),
        (tone(1, 0.0005), {}, "silent"),
        (tone(1, 0.0005), {"min_peak": 0}, None),
        (tone(1, 0.01), {"min_loudness_lufs": -40}, "too_quiet"),
        (tone(1, 0.1), {"min_loudness_lufs": -40}, None),
        (tone(0.2, 0.5), {"min_loudness_lufs": -40}, "too_quiet"),  # too short to have a loudness
        (tone(0.2, 0.5), {}, None),
        (CLIPPED, {"max_clipped_fraction": 0.01}, "clipped"),
        (CLIPPED, {}, None),
        (tone(1, 0.9), {"max_clipped_fraction": 0}, None),
    ],
)
def test_the_gate(samples: np.ndarray, options: dict[str, object], reason: str | None) -> None:
    rejection = annotate(samples, options).rejection
    assert (rejection and rejection.reason) == reason


@pytest.mark.parametrize(("dnsmos", "rejected"), [(2.9, True), (3.0, False), (3.1, False), (None, False)])
def test_the_dnsmos_of_the_input_is_judged(dnsmos: float | None, rejected: bool) -> None:
    answer = annotate(tone(1, 0.3), {"min_dnsmos": 3.0}, dnsmos)
    assert answer.rejection == (Rejection("low_dnsmos", 2.9) if rejected else None)
    assert annotate(tone(1, 0.3), dnsmos=dnsmos).rejection is None, "without a limit it is not judged"


def test_a_rejection_holds_the_value_behind_it() -> None:
    quiet = annotate(tone(1, 0.01), {"min_loudness_lufs": -40})
    assert quiet.rejection is not None and quiet.rejection.value == quiet.fields["quality"]["loudness_lufs"]
    clipped = annotate(CLIPPED, {"max_clipped_fraction": 0.01})
    assert clipped.rejection is not None and clipped.rejection.value == clipped.fields["quality"]["clipped_fraction"]


@pytest.mark.parametrize(
    "options", [{"min_peak": -0.1}, {"min_loudness_lufs": 3}, {"max_clipped_fraction": 2}, {"min_dnsmos": 0}]
)
def test_impossible_limits_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=next(iter(options))):
        Quality(options)
