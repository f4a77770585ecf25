"""What the experts are told before they begin, as the instruction of their project; in full under docs/."""

from importlib.resources import files

from manifests.review import ADJUDICATION, Slot
from review_ui.screen_words import Screen


def instruction(slot: Slot, screen: Screen) -> str:
    """The instruction of a project as HTML, in the language of its screen.

    Label Studio takes the margins of paragraphs away, so that empty lines part them.
    """
    name = "adjudication" if slot == ADJUDICATION else "expert"
    languages = ("en", "zh") if screen == "both" else (screen,)
    texts = (files(__package__).joinpath(f"{name}.{language}.html").read_text("utf-8") for language in languages)
    return "<br><hr><br>\n".join(texts)
