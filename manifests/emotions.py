"""The emotion classes and every name under which other systems know them.

Sources: C2SER and EMO-Emilia (seven classes), emotion2vec+ (bilingual labels), SenseVoice (rich tokens),
EmoBox and RAVDESS (folder and file codes).
"""

import enum
import re
import unicodedata

from manifests.errors import EmotroveError


class Emotion(str, enum.Enum):
    """The seven classes of C2SER and EMO-Emilia, and the two answers that only a voter may give."""

    ANGRY = "angry"
    DISGUSTED = "disgusted"
    FEARFUL = "fearful"
    HAPPY = "happy"
    NEUTRAL = "neutral"
    SAD = "sad"
    SURPRISED = "surprised"
    OTHER = "other"
    UNKNOWN = "unknown"

    def __str__(self) -> str:
        return self.value

    @property
    def zh(self) -> str:
        """The Chinese word that emotrove writes for this class."""
        return _CHINESE[self]


CLASSES: tuple[Emotion, ...] = tuple(e for e in Emotion if e not in (Emotion.OTHER, Emotion.UNKNOWN))
"""The seven classes a label may have, in alphabetical order: the order of every score vector."""

_CHINESE = {
    Emotion.ANGRY: "生气",
    Emotion.DISGUSTED: "厌恶",
    Emotion.FEARFUL: "恐惧",
    Emotion.HAPPY: "快乐",
    Emotion.NEUTRAL: "中性",
    Emotion.SAD: "悲伤",
    Emotion.SURPRISED: "惊讶",
    Emotion.OTHER: "其他",
    Emotion.UNKNOWN: "未知",
}

_ALIASES: dict[Emotion, tuple[str, ...]] = {
    Emotion.ANGRY: ("angry", "anger", "ang", "a", "mad", "生气", "愤怒", "气愤", "发怒", "恼怒"),
    Emotion.DISGUSTED: ("disgusted", "disgust", "dis", "disgusting", "厌恶", "反感", "恶心", "嫌弃"),
    Emotion.FEARFUL: ("fearful", "fear", "fea", "afraid", "scared", "恐惧", "害怕", "惊恐"),
    Emotion.HAPPY: ("happy", "happiness", "hap", "joy", "joyful", "excited", "快乐", "高兴", "开心", "喜悦", "愉快"),
    Emotion.NEUTRAL: ("neutral", "neu", "normal", "中立", "中性", "平静", "自然"),
    Emotion.SAD: ("sad", "sadness", "悲伤", "难过", "伤心", "悲痛", "沮丧"),
    Emotion.SURPRISED: ("surprised", "surprise", "sur", "ps", "pleasant surprise", "吃惊", "惊讶", "惊奇", "惊喜"),
    Emotion.OTHER: ("other", "others", "oth", "calm", "其他", "其它"),
    Emotion.UNKNOWN: ("unknown", "unk", "xxx", "emo_unknown", "emo unknown", "未知"),
}
# "calm" is a class of RAVDESS that none of the seven covers; it is not neutral there, so it is not read as neutral here.

_BY_ALIAS = {alias: emotion for emotion, aliases in _ALIASES.items() for alias in aliases}

RAVDESS_CODES = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgust",
    "08": "surprised",
}
"""Third field of a RAVDESS file name (``03-01-05-…``) to its published word."""


class UnknownEmotion(EmotroveError):
    """A name that no entry of the alias table knows."""


def parse_emotion(name: str) -> Emotion:
    """The class for a name used by emotion2vec+, SenseVoice, EmoBox, RAVDESS, C2SER or EMO-Emilia.

    Accepts any case, surrounding space, SenseVoice's ``<|HAPPY|>``, emotion2vec+'s ``生气/angry`` and ``<unk>``.

    Raises
    ------
    UnknownEmotion : the name is in no table; it is never guessed.
    """
    text = unicodedata.normalize("NFKC", name).strip().lower()
    text = re.sub(r"^<\|?(.*?)\|?>$", r"\1", text).strip()
    for part in (text, *text.split("/")):
        if part.strip() in _BY_ALIAS:
            return _BY_ALIAS[part.strip()]
    raise UnknownEmotion(f"'{name}' is not a known emotion; the classes are {', '.join(CLASSES)}")
