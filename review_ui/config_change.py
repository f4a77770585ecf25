"""Whether somebody has edited the screen of a project by hand, and in what."""

import xml.etree.ElementTree as ET
from collections import Counter

from review_ui.server import LabelStudioServer
from review_ui.settings import Project

# How the screen looks may be changed in Label Studio; what it asks, offers, shows and stores may not.
_LOOKS = {
    "className", "style", "hotkey", "size", "layout", "showInLine", "height", "waveHeight", "defaultscale", "defaultzoom",
    "defaultspeed", "defaultvolume", "spectrogram", "bordered", "rows", "placeholder", "underline", "color", "background",
}  # fmt: skip
_FRAMES = {"View", "Style", "Collapse"}


def server_config_changed(server: LabelStudioServer, project: Project) -> str | None:
    """What differs between the label config on the server and the one that ``init`` gave it; None where nothing that matters.

    Answers given on a changed screen cannot be read for certain, so ``push`` and ``pull`` ask this first.

    Raises
    ------
    NotOnServer : the project was deleted in Label Studio
    ReviewServerError : the server cannot be asked
    """
    with server.calling(f"read {project}"):
        found = server.sdk.projects.get(project.project_id).label_config
    return difference(project.config, found or "")


def difference(wanted: str, found: str) -> str | None:
    """What matters and differs between two label configs, in words."""
    try:
        root = ET.fromstring(found)
    except ET.ParseError as error:
        return f"its label config is not XML any more ({error})"
    before, after = _essence(ET.fromstring(wanted)), _essence(root)
    if before == after:
        return None
    gone, new = Counter(before) - Counter(after), Counter(after) - Counter(before)
    told = [f"without {_told(part)}" for part in gone] + [f"with {_told(part)}" for part in new]
    return ", ".join(told[:4]) + (f", and {len(told) - 4} more" if len(told) > 4 else "") or "in another order"


_Part = tuple[str, str, tuple[tuple[str, str], ...]]


def _essence(root: ET.Element) -> list[_Part]:
    """Tag, name of the question it belongs to, and telling attributes of everything that matters, in order."""
    parts: list[_Part] = []

    def walk(tag: ET.Element, question: str) -> None:
        attributes = {name: value for name, value in tag.attrib.items() if name not in _LOOKS}
        question = attributes.get("name", question)
        if tag.tag not in _FRAMES or {"visibleWhen", "name"} & set(attributes):
            parts.append((tag.tag, question, tuple(sorted(attributes.items()))))
        for child in tag:
            walk(child, question)

    walk(root, "")
    return parts


def _told(part: _Part) -> str:
    tag, question, attributes = part
    shown = " ".join(f'{name}="{value}"' for name, value in attributes)
    where = f" in '{question}'" if question and tag == "Choice" else ""
    return f"<{tag} {shown}>{where}" if len(shown) < 120 else f"<{tag} {shown[:117]}…>{where}"
