"""Every name under which other systems know an emotion leads to its class, and nothing else does."""

import pytest

from manifests.emotions import CLASSES, RAVDESS_CODES, Emotion, UnknownEmotion, parse_emotion

EMOTION2VEC_PLUS = {
    "生气/angry": "angry",
    "厌恶/disgusted": "disgusted",
    "恐惧/fearful": "fearful",
    "开心/happy": "happy",
    "中立/neutral": "neutral",
    "其他/other": "other",
    "难过/sad": "sad",
    "吃惊/surprised": "surprised",
    "<unk>": "unknown",
}
SENSEVOICE = {
    "<|HAPPY|>": "happy",
    "<|SAD|>": "sad",
    "<|ANGRY|>": "angry",
    "<|NEUTRAL|>": "neutral",
    "<|FEARFUL|>": "fearful",
    "<|DISGUSTED|>": "disgusted",
    "<|SURPRISED|>": "surprised",
    "<|EMO_UNKNOWN|>": "unknown",
}
EMOBOX = {
    "ang": "angry",
    "anger": "angry",
    "dis": "disgusted",
    "disgust": "disgusted",
    "fea": "fearful",
    "fear": "fearful",
    "hap": "happy",
    "happiness": "happy",
    "joy": "happy",
    "neu": "neutral",
    "sad": "sad",
    "sadness": "sad",
    "sur": "surprised",
    "surprise": "surprised",
    "oth": "other",
    "xxx": "unknown",
}
RAVDESS = {
    "neutral": "neutral",
    "calm": "other",
    "happy": "happy",
    "sad": "sad",
    "angry": "angry",
    "fearful": "fearful",
    "disgust": "disgusted",
    "surprised": "surprised",
}
C2SER = {
    "生气": "angry",
    "愤怒": "angry",
    "厌恶": "disgusted",
    "恐惧": "fearful",
    "害怕": "fearful",
    "快乐": "happy",
    "高兴": "happy",
    "开心": "happy",
    "中性": "neutral",
    "中立": "neutral",
    "悲伤": "sad",
    "难过": "sad",
    "惊讶": "surprised",
    "惊喜": "surprised",
    "其他": "other",
    "未知": "unknown",
}
SPELLINGS = {"  Happy \n": "happy", "ＡＮＧＲＹ": "angry", "Neutral/中立": "neutral", "<| sad |>": "sad"}


@pytest.mark.parametrize(
    ("name", "emotion"),
    [
        pytest.param(name, emotion, id=f"{table}-{name.strip()}")
        for table, names in {
            "emotion2vec+": EMOTION2VEC_PLUS,
            "sensevoice": SENSEVOICE,
            "emobox": EMOBOX,
            "ravdess": RAVDESS,
            "c2ser": C2SER,
            "spelling": SPELLINGS,
        }.items()
        for name, emotion in names.items()
    ],
)
def test_names_of_other_systems(name: str, emotion: str) -> None:
    assert parse_emotion(name) is Emotion(emotion)


def test_ravdess_codes_are_known_words() -> None:
    assert list(RAVDESS_CODES) == [f"{code:02d}" for code in range(1, 9)]
    assert {word: str(parse_emotion(word)) for word in RAVDESS_CODES.values()} == RAVDESS


@pytest.mark.parametrize("emotion", list(Emotion))
def test_every_class_round_trips(emotion: Emotion) -> None:
    assert parse_emotion(str(emotion)) is emotion
    assert parse_emotion(emotion.zh) is emotion
    assert parse_emotion(f"{emotion.zh}/{emotion}") is emotion
    assert parse_emotion(f"<|{emotion.upper()}|>") is emotion


@pytest.mark.parametrize("name", ["", " ", "/", "angr", "happyish", "bored", "<>", "<||>", "0", "生", "angry happy"])
def test_what_no_table_knows_is_not_guessed(name: str) -> None:
    with pytest.raises(UnknownEmotion, match="angry, disgusted, fearful, happy, neutral, sad, surprised"):
        parse_emotion(name)


def test_the_seven_classes_in_the_order_of_every_score_vector() -> None:
    assert [str(c) for c in CLASSES] == ["angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised"]
