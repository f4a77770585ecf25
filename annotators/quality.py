"""What can be measured of a clip without a model, and the gate that follows from it."""

from pydantic import Field

from annotators.base import Annotation, Annotator, Clip, Options, Rejection
from annotators.loudness import active_span_s, clip_levels, loudness_lufs


class QualityOptions(Options):
    """Limits of the gate; a limit that is null is not applied. The input's own DNSMOS is judged by ``min_dnsmos``."""

    min_peak: float = Field(0.001, ge=0, le=1)  # below: digital silence
    min_loudness_lufs: float | None = Field(None, le=0)
    max_clipped_fraction: float | None = Field(None, ge=0, le=1)
    min_dnsmos: float | None = Field(None, ge=1, le=5)


class Quality(Annotator):
    """Loudness (BS.1770), peak, clipping, silence and the span of speech; rejects what the limits exclude."""

    name = "quality"
    uses = ("quality",)
    outputs = ("quality",)
    Options = QualityOptions
    options: QualityOptions

    def annotate(self, clips: list[Clip]) -> list[Annotation]:
        return [self._one(clip) for clip in clips]

    def _one(self, clip: Clip) -> Annotation:
        levels = clip_levels(clip.samples)
        start_s, end_s = active_span_s(clip.samples)
        measured = {
            "loudness_lufs": loudness_lufs(clip.samples, 16_000),
            "peak": levels["peak"],
            "clipped_fraction": levels["clipped_fraction"],
            "silence_fraction": levels["silence_fraction"],
            "speech_start_s": start_s,
            "speech_end_s": end_s,
        }
        return Annotation({"quality": measured}, self._gate(measured, (clip.fields.get("quality") or {}).get("dnsmos")))

    def _gate(self, measured: dict[str, float | None], dnsmos: float | None) -> Rejection | None:
        limits = self.options
        peak, loudness, clipped = (measured[name] for name in ("peak", "loudness_lufs", "clipped_fraction"))
        if peak is not None and peak < limits.min_peak:
            return Rejection("silent", peak)
        if limits.min_loudness_lufs is not None and (loudness is None or loudness < limits.min_loudness_lufs):
            return Rejection("too_quiet", loudness)
        if limits.max_clipped_fraction is not None and clipped is not None and clipped > limits.max_clipped_fraction:
            return Rejection("clipped", clipped)
        if limits.min_dnsmos is not None and dnsmos is not None and dnsmos < limits.min_dnsmos:
            return Rejection("low_dnsmos", dnsmos)
        return None
