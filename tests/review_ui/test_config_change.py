"""Which edits of a label config matter."""

import pytest

from review_ui.config_change import difference
from review_ui.label_config import adjudication_config, expert_config

CONFIG = expert_config("both")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('height="80"', 'height="200"'),
        ('spectrogram="true" ', ""),
        ('hotkey="1"', 'hotkey="a"'),
        ("padding: 8px 12px", "padding: 1px"),
        ("\n", ""),
        ('layout="inline"', 'layout="vertical"'),
    ],
)
def test_looks_may_change(old: str, new: str) -> None:
    assert old in CONFIG
    assert difference(CONFIG, CONFIG.replace(old, new)) is None


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('value="angry 生气" alias="angry"', 'value="furious" alias="angry"', '"furious">'),
        ('alias="angry"', 'alias="happy"', '<Choice alias="angry" value="angry 生气"> in \'answer\''),
        ('<Choice value="sad 悲伤" alias="sad" hotkey="6" />', "", 'without <Choice alias="sad" value="sad 悲伤">'),
        ('choice="single"', 'choice="multiple"', 'choice="multiple"'),
        ('required="true" ', "", "<Choices"),
        ('maxRating="5"', 'maxRating="10"', 'maxRating="10"'),
        ('value="$text"', 'value="$machine_label"', "$machine_label"),
        ('value="$audio"', 'value="$url"', "$url"),
        ("<Rating", '<Rating name="arousal" toName="audio" /><Rating', '"arousal"'),
        ("</View>", "", "is not XML any more"),
    ],
)
def test_what_is_asked_and_stored_may_not(old: str, new: str, told: str) -> None:
    assert old in CONFIG
    assert told in (difference(CONFIG, CONFIG.replace(old, new)) or "")


def test_another_order_and_an_empty_config_are_told() -> None:
    angry, sad = (line for line in CONFIG.splitlines() if 'hotkey="1"' in line or 'hotkey="6"' in line)
    swapped = CONFIG.replace(angry, "@").replace(sad, angry).replace("@", sad)
    assert difference(CONFIG, swapped) == "in another order"
    assert difference(CONFIG, "<View></View>")
    assert difference(CONFIG, adjudication_config("both"))
    assert difference(CONFIG, "")
