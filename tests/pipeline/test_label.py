"""A run folder belongs to one input and one configuration; whoever comes with another is told the difference."""

from pathlib import Path

import pytest

from manifests.errors import RunFolderError
from manifests.run_folder import RunFolder, Shard
from pipeline.config import RunConfig
from pipeline.label import prepare

SHARDS = [Shard(f"EN-{n}", "tar", f"/data/EN-{n}.tar", 1000 + n) for n in range(3)]


def config(**changes: object) -> RunConfig:
    return RunConfig.model_validate({"annotators": {"quality": {}}, **changes})


def enter(run: RunFolder, shards: list[Shard] = SHARDS, settings: RunConfig | None = None) -> None:
    settings = settings or config()
    prepare(run, shards, settings, settings.chain(), "embedded")


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    run = RunFolder(str(tmp_path / "run"))
    enter(run)
    return run


def test_what_a_run_is_is_written_down(run: RunFolder) -> None:
    record = run.require()
    assert run.shards() == SHARDS and record["input"]["shards"] == 3
    assert record["config"] == config().identity() and record["annotators"] == {"quality": "1"}
    enter(run)
    assert run.require() == record


def test_the_engine_and_the_place_of_the_data_may_change(run: RunFolder) -> None:
    enter(run, settings=config(engine={"actors": 2}))
    enter(run, [Shard(s.name, s.kind, f"s3://elsewhere/{s.name}.tar", s.size) for s in SHARDS])


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"chunk": {"clips": 8}}, "-    clips: 256\n+    clips: 8"),
        ({"annotators": {"quality": {"min_dnsmos": 3}}}, "-      min_dnsmos: null\n+      min_dnsmos: 3.0"),
        ({"annotators": {"quality": {}, "style": {}}}, "+  style: '1'"),
    ],
    ids=["a value", "an option", "an annotator"],
)
def test_another_configuration_is_refused(changes: dict[str, object], said: str, run: RunFolder) -> None:
    with pytest.raises(RunFolderError) as raised:
        enter(run, settings=config(**changes))
    message = str(raised.value)
    assert f"{run} was made with another configuration. Use a new run folder" in message
    assert "--- the run folder" in message and "+++ this command" in message
    assert set(said.splitlines()) <= set(message.splitlines()), message


@pytest.mark.parametrize(
    ("shards", "said"),
    [
        (SHARDS[:2], "- EN-2"),
        ([*SHARDS, Shard("EN-9", "tar", "/data/EN-9.tar", 1)], "+ EN-9 (/data/EN-9.tar)"),
        ([*SHARDS[:2], Shard("EN-2", "tar", "/data/EN-2.tar", 7)], "! EN-2: was 1002 bytes, is 7 (/data/EN-2.tar)"),
        (SHARDS[::-1], "the order of the shards"),
        ([Shard(f"ZH-{n}", "tar", f"/{n}.tar") for n in range(30)], "… and 13 more"),
    ],
    ids=["one less", "one more", "another size", "another order", "another data set"],
)
def test_another_input_is_refused(shards: list[Shard], said: str, run: RunFolder) -> None:
    with pytest.raises(RunFolderError, match="was made from another input. Use a new run folder") as raised:
        enter(run, shards)
    assert said in str(raised.value)
    assert run.shards() == SHARDS
