"""The labelling screen: its label config, what a task gives to it, and what its answers say."""

import functools
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from typing import Any, Final

from manifests.emotions import CLASSES
from manifests.errors import InputError
from manifests.review import ESCAPES, NO_AGREEMENT
from review_ui.screen_words import Screen, emotion_word, word

UTTERANCE_FIELD: Final = "utterance_id"
"""The one field of a task that no screen shows: by it an answer finds back to its clip."""

EMOTION_KEYS: Final = dict(zip(map(str, CLASSES), "1234567", strict=True))
OTHER_KEYS: Final = dict(zip((*ESCAPES, NO_AGREEMENT), "qwert", strict=True))
"""Below the digits on the keyboard. Label Studio itself binds single letters only where there are regions or images."""
INTENSITY_KEY: Final = "i"
CONFIDENCE_KEY: Final = "c"
RATINGS: Final = range(1, 6)

_SINGLE_CHOICES = ("answer", "second_emotion")
_RATINGS = ("intensity", "confidence")
_TEXTS = ("note", "reason")
_REFERENCE = re.compile(r"\$(\w+)")
_CLIP_URL = re.compile(r"(/data/local-files/\?d=|s3://|https?://)\S+")

# Label Studio's own classes; no ">" because it passes the style through an HTML cleaner. Its panels of regions and relations
# are hidden: there are none here.
_STYLE = """
.emotrove .lsf-choices { display: flex; flex-wrap: wrap; gap: 8px; margin: 4px 0 8px; }
.emotrove .lsf-choice, .emotrove .lsf-choice .ant-checkbox-wrapper { margin: 0; line-height: 24px; }
.emotrove .lsf-choice sup { font-size: 12px; top: 0; margin-left: 6px; opacity: 0.7; }
.emotrove-answer .lsf-choice__item { border: 1px solid #b9b4ae; border-radius: 6px; padding: 8px 12px; font-size: 16px; }
.emotrove-columns { display: flex; flex-wrap: wrap; column-gap: 48px; }
.emotrove-second .lsf-choice sup { display: none; }
.lsf-tabs-panel { display: none; }
.lsf-sidepanels { padding: 0 !important; }
"""
_ESCAPE_STYLE = "border: 1px dashed #8a6d3b; border-radius: 6px; padding: 8px 12px; font-size: 14px"


def expert_config(screen: Screen, *, show_machine: bool = False) -> str:
    """The label config of an expert's project, as XML.

    Parameters
    ----------
    screen : the language of what it says
    show_machine : add a panel with the machine's label and rationale
    """
    view = _screen_with_clip(screen)
    if show_machine:
        panel = _panel(view, word("machine", screen), is_open=True)
        _header(panel, "$machine_label", size=4)
        _header(panel, "$rationale", size=5)
    _answer(view, screen, [*ESCAPES])
    columns = _view(view, "emotrove-columns")
    for name, key in (("intensity", INTENSITY_KEY), ("confidence", CONFIDENCE_KEY)):
        _rating(columns, name, key, screen)
    column = _view(columns, "emotrove-second")
    _header(column, word("second_emotion", screen), size=5)
    second = _choices(column, "second_emotion")
    for emotion, key in EMOTION_KEYS.items():
        _choice(second, emotion, f"shift+{key}", screen)
    _hint(column, "[shift + 1-7]")
    _text_area(view, "note", word("note", screen))
    _transcript(view, screen)
    return _xml(view)


def adjudication_config(screen: Screen) -> str:
    """The label config of the adjudication project, as XML: both answers are shown, and a reason is required."""
    view = _screen_with_clip(screen)
    _header(view, word("answers", screen), size=4)
    columns = _view(view, "emotrove-columns")
    for name, title in (("answer_1", "first_answer"), ("answer_2", "second_answer")):
        column = _view(columns, "emotrove-column")
        _header(column, word(title, screen), size=5)
        _header(column, f"${name}", size=4)
    _answer(view, screen, [*ESCAPES, NO_AGREEMENT])
    _rating(view, "confidence", CONFIDENCE_KEY, screen)
    reason = _text_area(view, "reason", word("reason", screen))
    reason.attrib.update(required="true", requiredMessage=word("reason_missing", screen))
    _transcript(view, screen)
    return _xml(view)


def _screen_with_clip(screen: Screen) -> ET.Element:
    view = ET.Element("View", className="emotrove")
    ET.SubElement(view, "Style").text = _STYLE
    ET.SubElement(
        view, "Audio", name="audio", value="$audio", hotkey="space", spectrogram="true", height="80", defaultscale="3"
    )
    return view


def _answer(parent: ET.Element, screen: Screen, others: Sequence[str]) -> None:
    block = _view(parent, "emotrove-answer")
    _header(block, word("question", screen), size=4)
    answer = _choices(block, "answer")
    answer.attrib.update(required="true", requiredMessage=word("answer_missing", screen))
    for emotion, key in EMOTION_KEYS.items():
        _choice(answer, emotion, key, screen)
    ET.SubElement(
        answer, "Header", value=word("no_emotion", screen), size="5", style="flex-basis: 100%; margin: 4px 0 0"
    )
    for other in others:
        _choice(answer, other, OTHER_KEYS[other], screen).set("style", _ESCAPE_STYLE)


def _transcript(parent: ET.Element, screen: Screen) -> None:
    panel = _panel(parent, word("transcript", screen), is_open=False)
    _header(panel, "$text", size=5)


def _view(parent: ET.Element, name: str) -> ET.Element:
    return ET.SubElement(parent, "View", className=name)


def _header(parent: ET.Element, value: str, size: int) -> None:
    # Unlike Text and HyperText, Header shows what it is given through React alone: as text, whatever it holds.
    ET.SubElement(parent, "Header", value=value, size=str(size), style="margin: 4px 0; white-space: pre-wrap")


def _hint(parent: ET.Element, value: str) -> None:
    ET.SubElement(parent, "Header", value=value, size="5", style="margin: 0; opacity: 0.7; font-size: 13px")


def _panel(parent: ET.Element, title: str, is_open: bool) -> ET.Element:
    collapse = ET.SubElement(parent, "Collapse", bordered="true")
    return ET.SubElement(collapse, "Panel", value=title, open=str(is_open).lower())


def _choices(parent: ET.Element, name: str) -> ET.Element:
    return ET.SubElement(parent, "Choices", name=name, toName="audio", choice="single", layout="inline")


def _choice(parent: ET.Element, code: str, key: str, screen: Screen) -> ET.Element:
    return ET.SubElement(parent, "Choice", value=word(code, screen), alias=code, hotkey=key)


def _rating(parent: ET.Element, name: str, key: str, screen: Screen) -> None:
    column = _view(parent, "emotrove-column")
    _header(column, word(name, screen), size=5)
    ET.SubElement(column, "Rating", name=name, toName="audio", maxRating=str(max(RATINGS)), hotkey=key)
    _hint(column, f"{word(f'{name}_scale', screen)} [{key}]")


def _text_area(parent: ET.Element, name: str, title: str) -> ET.Element:
    return ET.SubElement(
        parent, "TextArea", name=name, toName="audio", placeholder=title, rows="1", maxSubmissions="1",
        showSubmitButton="false", editable="true",
    )  # fmt: skip


def _xml(view: ET.Element) -> str:
    ET.indent(view)
    return ET.tostring(view, encoding="unicode")


# -- what goes in ------------------------------------------------------------------------------------------------------


def task_data(
    route: Mapping[str, Any], clip_url: str, screen: Screen, *, show_machine: bool = False, rationale: str | None = None
) -> dict[str, str]:
    """The data of an expert's task: all that Label Studio, and whoever looks into it, gets to know of a clip.

    Parameters
    ----------
    route : row of ROUTES
    clip_url : where the server finds the audio, see ``review_ui.projects``
    show_machine : give the label of the machines and the rationale too, for a screen that shows them
    rationale : of the utterance, from LABELS
    """
    data = {
        "audio": clip_url,
        "text": _shown(route["text"]) or word("nothing", screen),
        UTTERANCE_FIELD: route["utterance_id"],
    }
    if show_machine:
        data["machine_label"] = emotion_word(route["emotion"], screen)
        data["rationale"] = _shown(rationale) or word("nothing", screen)
    return data


def adjudication_data(
    route: Mapping[str, Any], clip_url: str, answers: tuple[Mapping[str, Any], Mapping[str, Any]], screen: Screen
) -> dict[str, str]:
    """The data of an adjudicator's task.

    Parameters
    ----------
    answers : two rows of JUDGED in the order in which to show them; of whom they are is not told
    """
    first, second = (_answer_in_words(answer, screen) for answer in answers)
    return {**task_data(route, clip_url, screen), "answer_1": first, "answer_2": second}


def _answer_in_words(answer: Mapping[str, Any], screen: Screen) -> str:
    parts = [emotion_word(answer["answer"], screen)]
    if answer["second_emotion"]:
        parts.append(f"{word('also', screen)} {emotion_word(answer['second_emotion'], screen)}")
    parts += [f"{word(f'{name}_word', screen)} {answer[name]}/5" for name in _RATINGS if answer[name] is not None]
    return " · ".join(parts)


def _shown(text: str | None) -> str:
    """Text as a data base takes it: PostgreSQL refuses NUL, JSON lone surrogates."""
    return (text or "").strip().replace("\0", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def validate_task(data: Mapping[str, Any], config: str) -> None:
    """Check that a task holds what the label config refers to, in the right form, and nothing else.

    Label Studio takes a task that its screen cannot show, so this is to be called before every import.

    Raises
    ------
    InputError : with the utterance and the field
    """
    where = f"The task of utterance {data.get(UTTERANCE_FIELD)!r}"
    wanted = _fields(config)
    if lacking := sorted(wanted - set(data)):
        raise InputError(f"{where} lacks {', '.join(lacking)}, which the label config of its project shows")
    if extra := sorted(set(data) - wanted):
        raise InputError(f"{where} has {', '.join(extra)}, which experts must not see: its screen has no place for it")
    for name, value in data.items():
        if not isinstance(value, str) or not value.strip() or _shown(value) != value.strip():
            raise InputError(f"{where} has {name} = {value!r}, which is not text that can be shown")
    if not _CLIP_URL.fullmatch(data["audio"]):
        raise InputError(f"{where} has audio = {data['audio']!r}, which Label Studio cannot fetch")


@functools.lru_cache(maxsize=8)
def _fields(config: str) -> frozenset[str]:
    """What the data of a task must hold for a label config, and may hold."""
    shown = (name for tag in ET.fromstring(config).iter() for name in _REFERENCE.findall(tag.get("value", "")))
    return frozenset((*shown, UTTERANCE_FIELD))


# -- what comes out ----------------------------------------------------------------------------------------------------


class _NotOnScreen(Exception):
    """What the screen could not have produced, each as text."""

    def __init__(self, *told: str) -> None:
        super().__init__(*told)
        self.told = told


def parse_result(result: Any, *, adjudication: bool) -> dict[str, Any]:
    """What an annotation says, in the fields of LEDGER.

    Label Studio stores whatever it is sent. What the screen could not have produced is not guessed at: the field stays
    None, and ``unknown`` says what was there, so that the answer does not count.

    Parameters
    ----------
    result : the ``result`` of an annotation as Label Studio gives it
    adjudication : which of the two screens it was given on

    Returns
    -------
    answer, second_emotion, intensity, confidence, note, reason, unknown (sorted), raw
    """
    fields: dict[str, Any] = dict.fromkeys((*_SINGLE_CHOICES, *_RATINGS, *_TEXTS))
    unknown: set[str] = set()
    seen: set[str] = set()
    for item in result if isinstance(result, list) else [result]:
        try:
            name, value = _question(item, adjudication)
            if name in seen:
                fields[name] = None  # two answers to one question are none
                raise _NotOnScreen(_told(item))
            seen.add(name)
            fields[name] = _value(name, value, item, adjudication)
        except _NotOnScreen as strange:
            unknown.update(strange.told)
    return {**fields, "unknown": sorted(unknown), "raw": _json(result)}


def _question(item: Any, adjudication: bool) -> tuple[str, dict[str, Any]]:
    """The name of the question that an item of a result answers, and what it holds."""
    asked = ("answer", "confidence", "reason") if adjudication else (*_SINGLE_CHOICES, *_RATINGS, "note")
    name: Any = item.get("from_name") if isinstance(item, dict) else None
    if name not in asked or not isinstance(item.get("value"), dict):
        raise _NotOnScreen(_told(item))
    return name, item["value"]


def _value(name: str, value: dict[str, Any], item: Any, adjudication: bool) -> str | int | None:
    """What is answered to one question; None where an answer was taken back."""
    if name in _SINGLE_CHOICES:
        picked = value.get("choices")
        if picked == []:
            return None
        if not isinstance(picked, list):
            raise _NotOnScreen(_told(item))
        known = [*EMOTION_KEYS]
        if name == "answer":
            known += [*ESCAPES, NO_AGREEMENT] if adjudication else ESCAPES
        if len(picked) != 1 or picked[0] not in known:
            raise _NotOnScreen(*(_shown(str(one)) for one in picked))
        return str(picked[0])
    if name in _RATINGS:
        rating: Any = value.get("rating")
        if isinstance(rating, bool) or rating not in RATINGS:
            raise _NotOnScreen(_told(item))
        return int(rating)
    text = value.get("text")
    lines = [text] if isinstance(text, str) else text
    if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
        raise _NotOnScreen(_told(item))
    return _shown("\n".join(lines)) or None


def _told(item: Any) -> str:
    """Something that the screen does not have, for the list of unknown choices."""
    if isinstance(item, dict) and isinstance(item.get("from_name"), str):
        return f"{_shown(item['from_name'])}={_json(item.get('value'))}"[:200]
    return _json(item)[:200]


def _json(value: Any) -> str:
    # A lone surrogate, which no file takes, becomes its own JSON escape.
    text = json.dumps(value, ensure_ascii=False, sort_keys=True)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
