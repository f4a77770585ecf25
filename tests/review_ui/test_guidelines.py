"""What experts are told is there in each language, and names the keys that the screen has."""

import re

import pytest

from manifests.review import SLOTS, Slot
from review_ui.guidelines import instruction
from review_ui.label_config import CONFIDENCE_KEY, EMOTION_KEYS, INTENSITY_KEY, OTHER_KEYS
from review_ui.screen_words import SCREENS, Screen, word


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("slot", SLOTS)
def test_it_speaks_the_language_of_the_screen(slot: Slot, screen: Screen) -> None:
    told = instruction(slot, screen)
    assert ("voice" in told) == (screen != "zh")
    assert ("声音" in told) == (screen != "en")
    assert not re.search(r"<(?!/?(h3|p|b|i|ul|li|br|hr)>)", told)


@pytest.mark.parametrize("screen", ["en", "zh"])
def test_the_keys_are_those_of_the_screen(screen: Screen) -> None:
    told = instruction("A", screen)
    for emotion, key in EMOTION_KEYS.items():
        assert f"<b>{key} {word(emotion, screen)}</b>" in told
    for key in (*list(OTHER_KEYS.values())[:4], INTENSITY_KEY, CONFIDENCE_KEY):
        assert f"<b>{key}</b>" in told
    ruling = instruction("adjudication", screen)
    assert (
        f"<b>{' '.join(list(OTHER_KEYS.values())[:4])}</b>" in ruling
        and f"<b>{OTHER_KEYS['no_agreement']}</b>" in ruling
    )
