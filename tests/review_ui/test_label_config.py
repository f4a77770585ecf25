"""What the screen asks, what a task tells it, and how an answer is read."""

import json
import xml.etree.ElementTree as ET
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from manifests.emotions import CLASSES
from manifests.errors import InputError
from manifests.review import ESCAPES, NO_AGREEMENT
from review_ui.label_config import (
    adjudication_config,
    adjudication_data,
    expert_config,
    parse_result,
    task_data,
    validate_task,
)
from review_ui.screen_words import _WORDS, SCREENS, Screen, word

URL = "/data/local-files/?d=run/review/clips/0001.wav"
ROUTE = {
    "utterance_id": "EN_1",
    "text": "kids are <b>talking</b> $audio",
    "emotion": "angry",
    "gold_emotion": "sad",
    "arm": "gold",
    "policy": "rare",
    "source_id": "speaker-7",
}
NOTHING = dict.fromkeys(("answer", "second_emotion", "intensity", "confidence", "note", "reason"))


def choices_of(config: str, name: str) -> list[str]:
    tag = next(tag for tag in ET.fromstring(config).iter("Choices") if tag.get("name") == name)
    return [choice.get("alias", "") for choice in tag.iter("Choice")]


def choice(name: str, *picked: Any) -> dict[str, Any]:
    return {"from_name": name, "to_name": "audio", "type": "choices", "value": {"choices": list(picked)}}


def rating(name: str, value: Any) -> dict[str, Any]:
    return {"from_name": name, "to_name": "audio", "type": "rating", "value": {"rating": value}}


def text(name: str, *lines: Any) -> dict[str, Any]:
    return {"from_name": name, "to_name": "audio", "type": "textarea", "value": {"text": list(lines)}}


@pytest.mark.parametrize("screen", SCREENS)
def test_the_choices_are_the_codes_of_the_ledger(screen: Screen) -> None:
    emotions = [str(emotion) for emotion in CLASSES]
    assert choices_of(expert_config(screen), "answer") == [*emotions, *ESCAPES]
    assert choices_of(expert_config(screen), "second_emotion") == emotions
    assert choices_of(adjudication_config(screen), "answer") == [*emotions, *ESCAPES, NO_AGREEMENT]


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("machine", [False, True])
def test_no_key_is_given_twice_and_none_is_left_to_chance(screen: Screen, machine: bool) -> None:
    for config in (expert_config(screen, show_machine=machine), adjudication_config(screen)):
        tags = [tag for tag in ET.fromstring(config).iter() if tag.tag in ("Audio", "Choice", "Rating")]
        keys = [tag.get("hotkey") for tag in tags]
        assert None not in keys and len(set(keys)) == len(keys)
        assert {"space", *"1234567"} <= set(keys)


def test_every_word_is_in_both_languages_and_no_two_answers_look_alike() -> None:
    assert all(english and chinese and english != chinese for english, chinese in _WORDS.values())
    for screen in SCREENS:
        shown = [word(code, screen) for code in (*map(str, CLASSES), *ESCAPES, NO_AGREEMENT)]
        assert len(set(shown)) == len(shown)
    assert word("angry", "both") == "angry 生气"


def test_label_studio_accepts_the_configs() -> None:
    interface = pytest.importorskip("label_studio_sdk.label_interface")
    for config in (expert_config("both", show_machine=True), expert_config("zh"), adjudication_config("en")):
        interface.LabelInterface(config).validate()


def test_a_task_tells_nothing_but_clip_words_and_id() -> None:
    data = task_data(ROUTE, URL, "both")
    assert data == {"audio": URL, "text": "kids are <b>talking</b> $audio", "utterance_id": "EN_1"}
    validate_task(data, expert_config("both"))


def test_the_machine_is_shown_where_that_is_asked_for() -> None:
    data = task_data(ROUTE, URL, "both", show_machine=True, rationale="loud")
    assert data["machine_label"] == "angry 生气" and data["rationale"] == "loud"
    validate_task(data, expert_config("both", show_machine=True))
    with pytest.raises(InputError, match="has machine_label, rationale, which experts must not see"):
        validate_task(data, expert_config("both"))
    without = task_data({**ROUTE, "emotion": None}, URL, "en", show_machine=True)
    assert (without["machine_label"], without["rationale"]) == ("(none)", "(none)")
    other = task_data({**ROUTE, "emotion": "other"}, URL, "zh", show_machine=True)
    assert other["machine_label"] == "其他"


def test_an_adjudicator_sees_both_answers_and_no_name() -> None:
    one = {"answer": "angry", "second_emotion": "sad", "intensity": 4, "confidence": 2, "annotator": "a@example.com"}
    other = {"answer": "bad_audio", "second_emotion": None, "intensity": None, "confidence": None, "note": "Anna: hum"}
    data = adjudication_data(ROUTE, URL, (one, other), "en")
    assert data["answer_1"] == "angry · also sad · strength 4/5 · sure 2/5"
    assert data["answer_2"] == "bad audio"
    assert set(data) == {"audio", "text", "utterance_id", "answer_1", "answer_2"}
    validate_task(data, adjudication_config("en"))


@pytest.mark.parametrize("words", [None, "", "  ", "a\0b", "\ud800"])
def test_any_transcript_can_be_shown(words: str | None) -> None:
    data = task_data({**ROUTE, "text": words}, URL, "en")
    validate_task(data, expert_config("en"))
    assert json.dumps(data).encode().decode() and "\0" not in data["text"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"audio": None}, "has audio = None, which is not text"),
        ({"audio": "file:///etc/passwd"}, "cannot fetch"),
        ({"audio": "/data/local-files/?d="}, "cannot fetch"),
        ({"text": 7}, "has text = 7"),
        ({"text": "\0"}, "has text"),
        ({"gold_emotion": "sad"}, "has gold_emotion, which experts must not see"),
    ],
)
def test_a_task_that_the_screen_cannot_show_is_refused(change: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match="The task of utterance 'EN_1'") as caught:
        validate_task({**task_data(ROUTE, URL, "en"), **change}, expert_config("en"))
    assert said in str(caught.value)


@pytest.mark.parametrize("field", ["audio", "text", "utterance_id"])
def test_a_task_without_what_the_screen_shows_is_refused(field: str) -> None:
    data = task_data(ROUTE, URL, "en")
    del data[field]
    with pytest.raises(InputError, match=f"lacks {field}"):
        validate_task(data, expert_config("en"))


def test_a_full_answer_is_read() -> None:
    result = [
        choice("answer", "happy"),
        choice("second_emotion", "surprised"),
        rating("intensity", 4),
        rating("confidence", 5),
        text("note", "laughs", "at the end"),
    ]
    found = parse_result(result, adjudication=False)
    assert json.loads(found.pop("raw")) == result
    assert found == {
        "answer": "happy",
        "second_emotion": "surprised",
        "intensity": 4,
        "confidence": 5,
        "note": "laughs\nat the end",
        "reason": None,
        "unknown": [],
    }


@pytest.mark.parametrize("code", [*map(str, CLASSES), *ESCAPES])
def test_every_choice_is_read(code: str) -> None:
    for adjudication in (False, True):
        found = parse_result([choice("answer", code)], adjudication=adjudication)
        assert (found["answer"], found["unknown"]) == (code, [])


def test_only_an_adjudicator_may_find_no_agreement() -> None:
    result = [choice("answer", NO_AGREEMENT), text("reason", "both fit")]
    found = parse_result(result, adjudication=True)
    assert (found["answer"], found["reason"], found["unknown"]) == (NO_AGREEMENT, "both fit", [])
    found = parse_result(result, adjudication=False)
    assert (found["answer"], found["unknown"]) == (None, ["no_agreement", 'reason={"text": ["both fit"]}'])


@pytest.mark.parametrize(
    ("result", "unknown"),
    [
        ([choice("answer", "no-such-label")], ["no-such-label"]),
        ([choice("answer", "生气")], ["生气"]),
        ([choice("answer", "angry", "sad")], ["angry", "sad"]),
        ([choice("answer", "angry"), choice("answer", "sad")], ['answer={"choices": ["sad"]}']),
        ([choice("answer", 3)], ["3"]),
        ([choice("second_emotion", "unsure")], ["unsure"]),
        ([choice("arousal", "high")], ['arousal={"choices": ["high"]}']),
        ([rating("intensity", 6)], ['intensity={"rating": 6}']),
        ([rating("intensity", 2.5)], ['intensity={"rating": 2.5}']),
        ([rating("confidence", True)], ['confidence={"rating": true}']),
        ([rating("confidence", "4")], ['confidence={"rating": "4"}']),
        ([rating("confidence", [4])], ['confidence={"rating": [4]}']),
        ([text("note", 4)], ['note={"text": [4]}']),
        ([{"from_name": "answer", "value": {"choices": "angry"}}], ['answer={"choices": "angry"}']),
        ([{"from_name": "answer", "value": None}], ["answer=null"]),
        ([{"from_name": ["answer"]}], ['{"from_name": ["answer"]}']),
        (["angry"], ['"angry"']),
        (None, ["null"]),
        ({"choices": ["angry"]}, ['{"choices": ["angry"]}']),
    ],
)
def test_what_the_screen_cannot_say_is_no_answer(result: Any, unknown: list[str]) -> None:
    found = parse_result(result, adjudication=False)
    assert found["unknown"] == unknown
    assert {name: found[name] for name in NOTHING} == NOTHING


def test_text_that_no_file_takes() -> None:
    result = [text("note", "a\ud800\0b"), choice("answer", "\udfff")]
    found = parse_result(result, adjudication=False)
    assert (found["note"], found["unknown"]) == ("a?\ufffdb", ["?"])
    assert json.loads(found["raw"].encode()) == result


def test_what_was_taken_back_is_not_unknown() -> None:
    assert parse_result([choice("answer")], adjudication=False)["unknown"] == []
    assert parse_result([], adjudication=False) == {**NOTHING, "unknown": [], "raw": "[]"}
    assert parse_result([text("note", " ")], adjudication=False)["note"] is None


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["from_name", "value", "choices", "x"]), inner),
    max_leaves=12,
)


@given(_json, st.booleans())
def test_no_result_breaks_the_reading(result: Any, adjudication: bool) -> None:
    found = parse_result(result, adjudication=adjudication)
    assert json.loads(found["raw"]) == result
    assert set(found) == {*NOTHING, "unknown", "raw"}
