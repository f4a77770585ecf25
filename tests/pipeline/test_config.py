"""A wrong configuration is refused before anything starts, with the path of the wrong key."""

from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, ClassVar

import pytest

from annotators import registry
from annotators.base import Annotation, Annotator, Clip, Options
from manifests.errors import ConfigError, MissingPackage
from manifests.settings import difference
from pipeline.config import EngineConfig, RunConfig, load_config, profiles


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write_(text: str | bytes, name: str = "my.yaml") -> str:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return str(path)

    return write_


# -- profiles and files ------------------------------------------------------------------------------------------------


def test_the_default_profile_loads() -> None:
    assert "embedded" in profiles()
    for name in profiles():
        assert load_config(name).annotators


def test_a_file_differs_from_a_profile_in_what_it_says(write: Any) -> None:
    base = load_config("embedded")
    mine = load_config(write("audio: {min_duration_s: 1}\nannotators: {quality: {min_dnsmos: 3}, rationale: null}"))
    assert mine.audio.min_duration_s == 1 and mine.audio.max_duration_s == base.audio.max_duration_s
    assert mine.annotators["quality"] == {"min_dnsmos": 3}
    assert list(mine.annotators) == [name for name in base.annotators if name != "rationale"]
    assert mine.chunk == base.chunk and mine.engine == base.engine
    assert load_config(write("")) == load_config(write("profile: embedded")) == base
    assert load_config(write("chunk: {clips: 7}", "my.yml")).chunk.clips == 7


def test_the_engine_changes_no_label_and_is_no_part_of_the_identity(write: Any) -> None:
    base = load_config("embedded")
    assert load_config(write("engine: {actors: 3}")).identity() == base.identity()
    changed = load_config(write("chunk: {clips: 7}")).identity()
    diff = difference(base.identity(), changed)
    assert "-  clips: 256" in diff and "+  clips: 7" in diff and "the run folder" in diff
    assert difference(changed, changed) == ""


BAD = {
    "unknown key": ("chunks: {clips: 3}", "chunks: unknown key"),
    "unknown key below": ("chunk: {clip: 3}", "chunk.clip: unknown key"),
    "two at once": ("chunk: {clip: 3}\nfoo: 1", r"chunk.clip: unknown key.*foo: unknown key"),
    "text for a number": ("chunk: {clips: many}", r"chunk.clips: .*integer.*\(got 'many'\)"),
    "a number out of range": ("chunk: {clips: 0}", r"chunk.clips: .*greater than or equal to 1.*\(got 0\)"),
    "not a number": ("audio: {min_duration_s: .nan}", r"audio.min_duration_s: .*\(got nan\)"),
    "the limits cross": ("audio: {min_duration_s: 9, max_duration_s: 2}", "audio: .*min_duration_s must be below"),
    "a list for a mapping": ("audio: [1]", r"audio: .*\(got \[1\]\)"),
    "null for a section": ("audio: null", r"audio: .*\(got None\)"),
    "no annotators": ("annotators: null", r"annotators: .*dictionary"),
    "all taken out": (
        "annotators: {quality: null, style: null, seed: null, rationale: null}",
        "annotators: .*at least 1",
    ),
    "options that are no mapping": ("annotators: {quality: 3}", r"annotators.quality: .*dictionary.*\(got 3\)"),
    "a key that is a number": ("annotators: {1: {}}", "annotators.1"),
    "a number at the top": ("1: {}", "1"),
    "unknown profile": ("profile: huge", "no profile 'huge'. Profiles are .*embedded"),
    "profile is a list": ("profile: [embedded]", "profile: must be one of .*embedded"),
    "a list at the root": ("- audio", "must be a mapping .*not a list"),
    "text at the root": ("audio", "must be a mapping .*not a str"),
    "not YAML": ("audio: {", "is not YAML"),
    "a tab": ("audio:\n\tx: 1", "is not YAML"),
    "a Python object": ("audio: !!python/object/apply:os.getcwd []", "is not YAML: could not determine a constructor"),
    "not UTF-8": (b"audio: \xff\xfe", "is not YAML"),
    "nested without end": ("[" * 5000, "is not YAML"),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD)
def test_a_wrong_file(text: str | bytes, said: str, write: Any) -> None:
    path = write(text)
    with pytest.raises(ConfigError, match=f"(?s){said}") as raised:
        load_config(path)
    if "profile" not in said:
        assert path in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Could not read .*none.yaml: No such file"):
        load_config(str(tmp_path / "none.yaml"))
    (tmp_path / "folder.yaml").mkdir()
    with pytest.raises(ConfigError, match="Could not read .*folder.yaml: Is a directory"):
        load_config(str(tmp_path / "folder.yaml"))
    with pytest.raises(ConfigError, match=r"no profile 'embeded'. Profiles are .*; your own is a file ending in .yaml"):
        load_config("embeded")


# -- the chain ---------------------------------------------------------------------------------------------------------


class _Test(Annotator):
    def annotate(self, clips: list[Clip]) -> list[Annotation]:
        return [Annotation() for _ in clips]


def made(name: str, **attributes: Any) -> type[Annotator]:
    return type(name, (_Test,), {"name": name, **attributes})


class Listens(_Test):
    """An annotator of another package that needs one that is not installed."""

    name = "listens"

    @classmethod
    def check(cls, options: Any) -> None:
        raise MissingPackage("nosuchpackage", "ears", "the annotator 'listens'")


class Choosy(_Test):
    """An annotator with options."""

    name = "choosy"

    class Options(Options):
        level: int = 1

    seen: ClassVar[list[Any]] = []

    @classmethod
    def check(cls, options: Any) -> None:
        cls.seen.append(options.level)


@pytest.fixture
def chain(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The chain of a configuration with these annotators, registered as those of other packages are."""

    def chain_(*classes: type[Annotator], options: dict[str, dict[str, Any]] | None = None) -> list[str]:
        points = {}
        for annotator in classes:
            globals()[f"_made_{annotator.name}"] = annotator
            points[annotator.name] = EntryPoint(annotator.name, f"{__name__}:_made_{annotator.name}", registry.GROUP)
        monkeypatch.setattr(registry, "_registered", lambda: points)
        config = RunConfig(annotators={c.name: (options or {}).get(c.name, {}) for c in classes})
        return [annotator.name for annotator in config.chain()]

    return chain_


def test_the_order_follows_inputs_and_outputs(chain: Any) -> None:
    text = made("text", inputs=("style", "votes"), outputs=("rationale",))
    voter = made("voter", uses=("transcript",), outputs=("votes",))
    style = made("style_", outputs=("style",))
    asr = made("asr", outputs=("transcript",))
    assert chain(text, voter, style, asr) == ["style_", "asr", "voter", "text"]
    assert chain(style, voter, text) == ["style_", "voter", "text"], "what it only uses may be absent"
    other = made("other", outputs=("votes",))
    assert chain(other, voter, style) == ["other", "voter", "style_"], "otherwise as written"


def test_the_shipped_profile_is_in_order() -> None:
    names = [annotator.name for annotator in load_config("embedded").chain()]
    assert names == ["quality", "style", "seed", "rationale"]


def test_an_input_that_nobody_gives(chain: Any) -> None:
    with pytest.raises(ConfigError, match="annotators.text: takes 'votes', which no annotator of this chain gives"):
        chain(made("text", inputs=("votes",), outputs=("rationale",)))


def test_two_that_write_one_field(chain: Any) -> None:
    with pytest.raises(ConfigError, match="annotators: one and two both write 'style'; keep one of them"):
        chain(made("one", outputs=("style",)), made("two", outputs=("style",)))
    for shared in ("quality", "votes", "features"):
        assert chain(made("one", outputs=(shared,)), made("two", outputs=(shared,))) == ["one", "two"]


def test_what_the_options_leave_of_the_outputs(chain: Any) -> None:
    """An output that the options turn off is not there for those who need it."""
    text, ear = made("text", inputs=("votes",), outputs=("rationale",)), made("ear", outputs=("votes", "features"))
    assert chain(text, ear) == ["ear", "text"]
    ear.gives = classmethod(lambda cls, options: ("features",))
    with pytest.raises(ConfigError, match="annotators.text: takes 'votes', which no annotator of this chain gives"):
        chain(text, ear)
    config = RunConfig(annotators={"ear": {}, "text": {}})
    assert config.feature_annotators([ear, text]) == ["ear"]


def test_an_output_that_is_no_field(chain: Any) -> None:
    with pytest.raises(ConfigError, match="annotators.one: writes 'mood', which is no field of a row"):
        chain(made("one", outputs=("mood",)))


def test_two_that_wait_for_each_other(chain: Any) -> None:
    one = made("one", inputs=("style",), outputs=("transcript",))
    two = made("two", inputs=("transcript",), outputs=("style",))
    with pytest.raises(ConfigError, match="annotators: one, two wait for each other's outputs"):
        chain(one, two)


def test_options_are_checked_before_anything_starts(chain: Any) -> None:
    assert chain(Choosy, options={"choosy": {"level": 3}}) == ["choosy"] and Choosy.seen[-1] == 3
    with pytest.raises(ConfigError, match="annotators.choosy.levle: unknown key"):
        chain(Choosy, options={"choosy": {"levle": 3}})
    with pytest.raises(ConfigError, match=r"annotators.choosy.level: .*integer.*\(got 'high'\)"):
        chain(Choosy, options={"choosy": {"level": "high"}})


def test_a_package_that_is_not_installed(chain: Any) -> None:
    with pytest.raises(MissingPackage) as raised:
        chain(Listens)
    assert str(raised.value) == (
        "the annotator 'listens' needs the package 'nosuchpackage'. Install it with: pip install 'emotrove[ears]'"
    )


def test_an_annotator_that_is_unknown_broken_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    points = {
        "broken": EntryPoint("broken", "no_such_module_anywhere:X", registry.GROUP),
        "none": EntryPoint("none", "pathlib:Path", registry.GROUP),
    }
    monkeypatch.setattr(registry, "_registered", lambda: points)
    for name, said in (
        ("unknown", "There is no annotator 'unknown'; installed are: broken, none"),
        ("broken", r"The annotator 'broken' \(no_such_module_anywhere:X\) cannot be imported"),
        ("none", "'none' .*is registered as an annotator but is not one"),
    ):
        with pytest.raises(ConfigError, match=said):
            RunConfig(annotators={name: {}}).chain()


def test_engine_options_are_checked() -> None:
    with pytest.raises(ValueError, match="read_cpus"):
        EngineConfig(read_cpus=0)
