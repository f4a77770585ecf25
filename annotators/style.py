"""Speaking style as C2SER describes it: pitch, loudness and rate, measured, and each in a word.

A value below mean - std of its language is ``low``, above mean + std ``high``, else ``medium``. The means come from a sample
of the run itself (``reference.json``), so a word says how a clip stands among its own. A language that the sample hardly
holds gets values without words.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from annotators.base import Annotation, Annotator, Clip
from annotators.f0 import f0
from annotators.loudness import active_span_s, loudness_lufs
from annotators.text_units import speech_units

MEASURES = ("pitch_hz", "loudness_lufs", "rate_per_s")


class Style(Annotator):
    """Mean and spread of F0, loudness, speaking rate, and the words for them."""

    name = "style"
    outputs = ("style",)
    needs_reference = True

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(options)
        self._reference: Mapping[str, Any] = {}

    def set_reference(self, reference: Mapping[str, Any]) -> None:
        self._reference = reference["languages"]

    def annotate(self, clips: list[Clip]) -> list[Annotation]:
        return [Annotation({"style": self._one(clip)}) for clip in clips]

    def _one(self, clip: Clip) -> dict[str, Any]:
        style = measure(clip)
        known = self._reference.get(clip.language or "", {})
        for measure_name in MEASURES:
            word = measure_name.split("_")[0] + "_level"
            style[word] = level(style[measure_name], known.get(reference_key(measure_name, style)))
        return style


def measure(clip: Clip) -> dict[str, Any]:
    """The measured part of a style row. What cannot be measured is None: pitch without voice, rate without text."""
    track = f0(clip.samples)
    voiced = track[track > 0]
    start_s, end_s = active_span_s(clip.samples)
    units, unit = (clip.phone_count, "phones") if clip.phone_count else speech_units(clip.text or "", clip.language)
    spoken_s = end_s - start_s
    return {
        "pitch_hz": float(voiced.mean()) if len(voiced) else None,
        "pitch_std_hz": float(voiced.std()) if len(voiced) else None,
        "voiced_fraction": float(len(voiced) / len(track)) if len(track) else 0.0,
        "loudness_lufs": loudness_lufs(clip.samples, 16_000),
        "rate_per_s": units / spoken_s if units and spoken_s > 0 else None,
        "rate_unit": unit if units else None,
    }


def reference_key(measure_name: str, style: Mapping[str, Any]) -> str:
    """A rate is compared only with rates in the same unit."""
    return f"{measure_name}:{style['rate_unit']}" if measure_name == "rate_per_s" else measure_name


def level(value: float | None, reference: Mapping[str, float] | None) -> str | None:
    """``low``, ``medium`` or ``high`` by mean and standard deviation; None where either is not known."""
    if value is None or reference is None:
        return None
    if value < reference["mean"] - reference["std"]:
        return "low"
    return "high" if value > reference["mean"] + reference["std"] else "medium"


def reference_from(rows: Iterable[tuple[str | None, Mapping[str, Any]]], min_clips: int) -> dict[str, Any]:
    """Mean and standard deviation of each measure, by language.

    Parameters
    ----------
    rows : (language, style row) of the sampled clips
    min_clips : a measure of a language with fewer values is left out
    """
    values: dict[str, dict[str, list[float]]] = {}
    for language, style in rows:
        for name in MEASURES:
            if language is not None and style[name] is not None:
                values.setdefault(language, {}).setdefault(reference_key(name, style), []).append(style[name])
    languages = {
        language: {
            # Rounded, and summed in sorted order, so that the order in which a cluster delivers the sample leaves no trace.
            key: {"mean": round(float(np.mean(sorted(v))), 6), "std": round(float(np.std(sorted(v))), 6), "n": len(v)}
            for key, v in sorted(measures.items())
            if len(v) >= min_clips
        }
        for language, measures in sorted(values.items())
    }
    return {"languages": languages}
