"""The explicit chain-of-thought text, composed from measured values only.

The order is that of C2SER's explicit targets: rate, pitch, volume, words, emotion. A statement whose value was not measured
is left out, and ``checks`` says which statements the text makes.
"""

from typing import Any

from annotators.base import Annotation, Annotator, Clip
from manifests.emotions import Emotion
from manifests.votes import consensus

_ENGLISH = {
    "rate": {"low": "slowly", "medium": "at a moderate pace", "high": "fast"},
    "pitch": {"low": "a low pitch", "medium": "a medium pitch", "high": "a high pitch"},
    "loudness": {"low": "a low volume", "medium": "a medium volume", "high": "a high volume"},
}
_CHINESE = {
    "rate": {"low": "缓慢的速度", "medium": "中等的速度", "high": "快速的速度"},
    "pitch": {"low": "低沉的语调", "medium": "中等的语调", "high": "高昂的语调"},
    "loudness": {"low": "较低音量", "medium": "中等音量", "high": "较高音量"},
}
# A quotation that ends its own sentence ends ours too.
_ENDED = (".”", "!”", "?”", "。”", "！”", "？”", "…”")


class Rationale(Annotator):
    """Writes the text in English and in Chinese for the emotion on which the voters agree."""

    name = "rationale"
    inputs = ("style", "votes")
    uses = ("transcript",)
    outputs = ("rationale",)

    def annotate(self, clips: list[Clip]) -> list[Annotation]:
        return [Annotation({"rationale": self._one(clip)}) for clip in clips]

    def _one(self, clip: Clip) -> dict[str, Any]:
        style = clip.fields.get("style") or {}
        levels = {name: style.get(f"{name}_level") for name in ("rate", "pitch", "loudness")}
        transcript = clip.fields.get("transcript") or {}
        words = " ".join((transcript.get("text") or clip.text or "").split())
        agreed = consensus(clip.fields.get("votes") or ())
        emotion = agreed["emotion"] if agreed else None
        return {
            "text": compose_english(levels, words, emotion),
            "text_zh": compose_chinese(levels, words, emotion),
            "emotion": emotion,
            "annotator": f"{self.name}@{self.version}",
            "checks": {
                **{name: value is not None for name, value in levels.items()},
                "words": bool(words),
                "emotion": emotion is not None,
            },
        }


def compose_english(levels: dict[str, str | None], words: str, emotion: str | None) -> str | None:
    """E.g. ``The speaker talks slowly, with a high pitch and a medium volume, saying: "…". From these …: happy.``"""
    said = {name: _ENGLISH[name][level] for name, level in levels.items() if level is not None}
    tone = " and ".join(said[name] for name in ("pitch", "loudness") if name in said)
    parts = [part for part in (said.get("rate"), f"with {tone}" if tone else None) if part]
    sentence = "The speaker talks " + ", ".join(parts) if parts else "The speaker talks" if words else ""
    if words:
        sentence += f"{',' if parts else ''} saying: “{words}”"
    return _closed(
        sentence,
        "." if not sentence.endswith(_ENDED) else "",
        f"From the voice, the emotion is inferred to be {emotion}." if emotion else "",
        " ",
    )


def compose_chinese(levels: dict[str, str | None], words: str, emotion: str | None) -> str | None:
    """The same in the wording of C2SER's own targets."""
    said = [_CHINESE[name][level] for name, level in levels.items() if level is not None]
    manner = f"以{_listed(said)}的声音" if said else ""
    if words:
        sentence = f"说话者{manner}说道：“{words}”"
    else:
        sentence = f"说话者{manner}说话" if said else ""
    inferred = f"通过分析语音特征，推测情绪为{Emotion(emotion).zh}。" if emotion else ""
    return _closed(sentence, "。" if not sentence.endswith(_ENDED) else "", inferred, "")


def _listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else "、".join(items[:-1]) + "和" + items[-1]


def _closed(sentence: str, stop: str, inferred: str, space: str) -> str | None:
    whole = space.join(part for part in (sentence + stop if sentence else "", inferred) if part)
    return whole or None
