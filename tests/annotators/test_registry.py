"""Annotators are found by name: ours, and those of any other installed package."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from annotators import registry
from annotators.base import Annotator
from annotators.quality import Quality
from annotators.registry import find, names
from manifests.errors import ConfigError

MODULE = """
from annotators.base import Annotation, Annotator

class Whisperer(Annotator):
    name = "whisperer"

    def annotate(self, clips):
        return [Annotation() for _ in clips]

def a_function(clips):
    return clips
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, str], None]]:
    """Installs another package that registers one annotator, as an installer would leave it on disk."""

    def place(name: str, value: str) -> None:
        (tmp_path / "other_voters.py").write_text(MODULE)
        (tmp_path / "other_voters_broken.py").write_text("import a_package_that_nobody_has\n")
        info = tmp_path / "other_voters-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-voters\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{registry.GROUP}]\n{name} = {value}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        registry._registered.cache_clear()

    yield place
    registry._registered.cache_clear()


WITHOUT_EXTRAS = ["quality", "dnsmos", "style", "seed", "emotion2vec_s", "emotion2vec_plus", "rationale"]


def test_ours_are_installed() -> None:
    assert set(names()) >= {*WITHOUT_EXTRAS, "sensevoice", "whisperx"}
    assert names() == sorted(names())
    assert find("quality") is Quality


@pytest.mark.parametrize("name", WITHOUT_EXTRAS)
def test_each_is_registered_under_its_own_name(name: str) -> None:
    annotator = find(name)
    assert issubclass(annotator, Annotator) and annotator.name == name


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=r"no annotator 'sead'; installed are: .*quality.*seed"):
        find("sead")


def test_an_annotator_of_another_package(install: Callable[[str, str], None]) -> None:
    install("whisperer", "other_voters:Whisperer")
    assert "whisperer" in names() and "quality" in names()
    assert find("whisperer").name == "whisperer"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("other_voters:a_function", "is registered as an annotator but is not one"),
        ("other_voters:MODULE", "cannot be imported"),
        ("other_voters:Wisperer", "cannot be imported"),
        ("other_voters_absent:Whisperer", "cannot be imported: No module named 'other_voters_absent'"),
        ("other_voters_broken:Whisperer", "cannot be imported: No module named 'a_package_that_nobody_has'"),
        ("other_voters", "is registered as an annotator but is not one"),
        ("pathlib:Path", "is registered as an annotator but is not one"),
    ],
)
def test_what_is_registered_wrongly_is_named(install: Callable[[str, str], None], value: str, message: str) -> None:
    install("whisperer", value)
    with pytest.raises(ConfigError) as raised:
        find("whisperer")
    assert message in str(raised.value)
    assert f"'whisperer' ({value})" in str(raised.value)
