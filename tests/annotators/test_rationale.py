"""The text says what was measured, in a fixed order, and nothing else."""

from typing import Any

import numpy as np
import pytest

from annotators.base import Annotation, Clip
from annotators.rationale import Rationale
from manifests.emotions import CLASSES
from manifests.votes import consensus

ALL = {"rate": "low", "pitch": "high", "loudness": "medium"}


def a_vote(emotion: str, confidence: float = 0.8) -> dict[str, Any]:
    return {"voter": "seed", "emotion": emotion, "confidence": confidence, "scores": []}


def rationale(
    levels: dict[str, str] | None = None,
    text: str | None = None,
    votes: list[dict[str, Any]] | None = None,
    transcript: dict[str, Any] | None = None,
) -> dict[str, Any]:
    style = {f"{name}_level": (levels or {}).get(name) for name in ("rate", "pitch", "loudness")}
    fields = {"style": style, "votes": votes, "transcript": transcript}
    (answer,) = Rationale().run([Clip("a", np.zeros(1, np.float32), "en", text, fields=fields)])
    assert isinstance(answer, Annotation)
    return dict(answer.fields["rationale"])


def test_rate_pitch_volume_words_and_emotion_in_this_order() -> None:
    found = rationale(ALL, "I knew it", [a_vote("happy")])
    assert found == {
        "text": "The speaker talks slowly, with a high pitch and a medium volume, saying: “I knew it”. "
        "From the voice, the emotion is inferred to be happy.",
        "text_zh": "说话者以缓慢的速度、高昂的语调和中等音量的声音说道：“I knew it”。通过分析语音特征，推测情绪为快乐。",
        "emotion": "happy",
        "annotator": "rationale@1",
        "checks": {"rate": True, "pitch": True, "loudness": True, "words": True, "emotion": True},
    }


@pytest.mark.parametrize(
    ("levels", "text", "emotion", "english", "chinese"),
    [
        ({"rate": "high"}, None, None, "The speaker talks fast.", "说话者以快速的速度的声音说话。"),
        ({"pitch": "low"}, None, None, "The speaker talks with a low pitch.", "说话者以低沉的语调的声音说话。"),
        ({"loudness": "high"}, None, None, "The speaker talks with a high volume.", "说话者以较高音量的声音说话。"),
        (
            {"rate": "medium", "loudness": "low"},
            None,
            "sad",
            "The speaker talks at a moderate pace, with a low volume. From the voice, the emotion is inferred to be sad.",
            "说话者以中等的速度和较低音量的声音说话。通过分析语音特征，推测情绪为悲伤。",
        ),
        (
            {"pitch": "medium"},
            "Yes",
            None,
            "The speaker talks with a medium pitch, saying: “Yes”.",
            "说话者以中等的语调的声音说道：“Yes”。",
        ),
        ({}, "Yes", None, "The speaker talks saying: “Yes”.", "说话者说道：“Yes”。"),
        (
            {},
            None,
            "angry",
            "From the voice, the emotion is inferred to be angry.",
            "通过分析语音特征，推测情绪为生气。",
        ),
    ],
)
def test_what_is_missing_is_left_out(
    levels: dict[str, str], text: str | None, emotion: str | None, english: str, chinese: str
) -> None:
    found = rationale(levels, text, [a_vote(emotion)] if emotion else None)
    assert (found["text"], found["text_zh"]) == (english, chinese)
    assert found["emotion"] == emotion
    assert found["checks"] == {
        **{name: name in levels for name in ("rate", "pitch", "loudness")},
        "words": text is not None,
        "emotion": emotion is not None,
    }


def test_nothing_measured_gives_no_text() -> None:
    found = rationale()
    assert (found["text"], found["text_zh"], found["emotion"]) == (None, None, None)
    assert not any(found["checks"].values())
    (answer,) = Rationale().run([Clip("a", np.zeros(1, np.float32), None, None, fields={"style": None, "votes": None})])
    assert isinstance(answer, Annotation) and answer.fields["rationale"]["text"] is None


def test_whitespace_of_the_words_is_evened_out() -> None:
    assert rationale(text="  I \n knew\tit ")["text"] == "The speaker talks saying: “I knew it”."
    found = rationale(text=" \n ")
    assert found["text"] is None and found["checks"]["words"] is False


@pytest.mark.parametrize("words", ["Really?", "Stop!", "I knew.", "I thought…"])
def test_a_quotation_that_ends_its_sentence_ends_ours(words: str) -> None:
    found = rationale(text=words, votes=[a_vote("sad")])
    assert found["text"] == f"The speaker talks saying: “{words}” From the voice, the emotion is inferred to be sad."


@pytest.mark.parametrize("words", ["真的吗？", "住手！", "我知道。", "我想…"])
def test_a_chinese_quotation_that_ends_its_sentence_ends_ours(words: str) -> None:
    found = rationale(text=words, votes=[a_vote("sad")])
    assert found["text_zh"] == f"说话者说道：“{words}”通过分析语音特征，推测情绪为悲伤。"


def test_a_transcript_goes_before_the_text_of_the_input() -> None:
    assert "“heard”" in rationale(text="given", transcript={"text": "heard"})["text"]
    for none in (None, {"text": None}, {"text": ""}):
        assert "“given”" in rationale(text="given", transcript=none)["text"]


def test_the_emotion_is_that_on_which_the_voters_agree() -> None:
    votes = [a_vote("happy", 0.9), a_vote("sad", 0.6), a_vote("sad", 0.6)]
    agreed = consensus(votes)
    assert agreed is not None and agreed["emotion"] == "sad"
    found = rationale(votes=votes)
    assert found["emotion"] == "sad" and found["text"].endswith("to be sad.")


@pytest.mark.parametrize("answer", ["other", "unknown"])
def test_a_voter_that_does_not_know_says_nothing(answer: str) -> None:
    found = rationale({"rate": "low"}, votes=[a_vote(answer)])
    assert found["text"] == "The speaker talks slowly."
    assert found["emotion"] is None and found["checks"]["emotion"] is False


@pytest.mark.parametrize("emotion", CLASSES)
def test_every_emotion_has_its_word(emotion: Any) -> None:
    found = rationale(votes=[a_vote(str(emotion))])
    assert str(emotion) in found["text"] and emotion.zh in found["text_zh"]
