"""The words on the labelling screen, in English, Chinese or both. What is stored is always the code, never a word."""

from typing import Final, Literal

from manifests.emotions import CLASSES, Emotion
from manifests.review import ESCAPES, NO_AGREEMENT

Screen = Literal["en", "zh", "both"]
SCREENS: Final[tuple[Screen, ...]] = ("en", "zh", "both")

_WORDS: Final[dict[str, tuple[str, str]]] = {
    **{str(emotion): (str(emotion), emotion.zh) for emotion in CLASSES},
    "unsure": ("unsure", "不确定"),
    "multiple_speakers": ("more than one speaker", "不止一人说话"),
    "bad_audio": ("bad audio", "音质太差"),
    "not_speech": ("not speech", "不是说话声"),
    NO_AGREEMENT: ("no agreement: both answers stand", "无法一致：两个答案都成立"),
    # headings and hints
    "question": ("Which emotion does the voice express?", "声音表达的是哪种情绪？"),
    "no_emotion": ("Or, if there is no emotion to name", "如果无法判断情绪"),
    "intensity": ("How strong is it?", "情绪有多强？"),
    "confidence": ("How sure are you?", "您有多确定？"),
    "intensity_scale": ("1 barely … 5 very", "1 很弱 … 5 很强"),
    "confidence_scale": ("1 guessing … 5 certain", "1 猜测 … 5 肯定"),
    "second_emotion": ("A second emotion, if you hear one", "如有第二种情绪"),
    "note": ("Note (optional)", "备注（可不填）"),
    "transcript": ("Show the words (judge the voice, not the words)", "显示文字（请根据声音判断，而不是文字）"),
    "machine": ("What the machine says", "机器的判断"),
    "answers": ("The two experts disagree", "两位专家意见不同"),
    "first_answer": ("One answered", "一位的答案"),
    "second_answer": ("The other answered", "另一位的答案"),
    "reason": ("Why? (required)", "理由（必填）"),
    "answer_missing": ("Choose an emotion, or say why you cannot.", "请选择一种情绪，或说明为何无法判断。"),
    "reason_missing": ("Say why, in a few words.", "请简单写明理由。"),
    "intensity_word": ("strength", "强度"),
    "confidence_word": ("sure", "确定程度"),
    "also": ("also", "其次"),
    "nothing": ("(none)", "（无）"),
}

_ANSWERS = {*map(str, CLASSES), *ESCAPES, NO_AGREEMENT}


def word(code: str, screen: Screen) -> str:
    """What the screen says for a code; in both languages the English comes first."""
    english, chinese = _WORDS[code]
    if screen == "both":
        return f"{english} {chinese}" if code in _ANSWERS else f"{english} / {chinese}"
    return english if screen == "en" else chinese


def emotion_word(code: str | None, screen: Screen) -> str:
    """A machine's or an expert's answer in words; an emotion outside the seven by its own name."""
    if code is None:
        return word("nothing", screen)
    if code in _WORDS:
        return word(code, screen)
    other = Emotion(code)
    return {"en": str(other), "zh": other.zh, "both": f"{other} {other.zh}"}[screen]
