"""Everything that can be wrong with an input, in one real job: each thing gets its row, and its neighbours keep their labels."""

import json
import shutil
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from manifests.run_folder import RunFolder
from pipeline.config import load_config
from pipeline.label import Progress, label
from pipeline.status import failures, status
from tests.pipeline.bad_shards import (
    AUDIO,
    CLEAN,
    CUT,
    IDS,
    JSON,
    PROFILE,
    VANISHING,
    Case,
    Ending,
    Speech,
    make_case,
)
from tests.pipeline.command import cli
from tests.pipeline.rows import assert_same, judged, rows_of
from tests.speech import write_tar


@pytest.fixture(scope="module")
def case(speech: Speech, tmp_path_factory: pytest.TempPathFactory) -> Case:
    return make_case(speech, tmp_path_factory.mktemp("bad") / "in")


@dataclass
class Done:
    """The run over the bad input, and what it said."""

    run: RunFolder
    inputs: list[str]
    profile: str
    progress: Progress
    vanished: Path


@pytest.fixture(scope="module")
def done(local_ray: object, case: Case, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """ONE job over everything; a shard vanishes after the planning and before the reading."""
    root = tmp_path_factory.mktemp("run")
    profile = root / "profile.yaml"
    profile.write_text(PROFILE)
    tar = case.folder / f"{VANISHING}.tar"
    vanished = root / tar.name

    def vanish(progress: Progress) -> None:
        if progress.stage == "starting Ray":
            shutil.move(tar, vanished)

    run = RunFolder(str(root / "run"))
    inputs = [str(case.folder / name) for name in ("*.tar", "EN-files", "EN-list.jsonl")]
    progress = label(inputs, run, load_config(str(profile)), str(profile), listener=vanish)
    return Done(run, inputs, str(profile), progress, vanished)


def table(run: RunFolder) -> dict[tuple[str, str], dict[str, Any]]:
    rows = run.dataset().to_table().to_pylist()
    found = {(row["shard"], row["utterance_id"]): row for row in rows}
    assert len(found) == len(rows), "a row is there twice"
    assert len({(row["shard"], row["position"]) for row in rows}) == len(rows)
    return found


def endings(run: RunFolder) -> dict[tuple[str, str], Ending]:
    return {key: (row["outcome"], row["stage"], row["reason"]) for key, row in table(run).items()}


@pytest.mark.ray
def test_each_thing_gets_its_row(done: Done, case: Case) -> None:
    found = endings(done.run)
    invalid = {key: ending for key, ending in found.items() if key[0] == IDS and ending[2] == "invalid_id"}
    assert list(invalid.values()) == [("rejected", "read", "invalid_id")] * 3
    assert all("~" in name and "/" not in name and "\n" not in name for _, name in invalid)
    assert {key: ending for key, ending in found.items() if key not in invalid} == case.expected


@pytest.mark.ray
def test_the_sum_of_the_outcomes_is_the_number_of_keys(done: Done, case: Case) -> None:
    keys = len(list((case.folder / "EN-files").iterdir())) + len(
        (case.folder / "EN-list.jsonl").read_text().splitlines()
    )
    for name in (CLEAN, CUT, JSON, AUDIO, IDS, "EN-empty"):
        with tarfile.open(case.folder / f"{name}.tar") as tar:
            try:
                names = tar.getnames()
            except tarfile.ReadError:
                names = [info.name for info in tar.members]
        keys += len({name.split(".")[0] for name in names})
    progress, account = done.progress, status(done.run)
    assert progress.rows == account.rows == keys == len(case.expected) + 3
    assert progress.labeled + progress.rejected + progress.failed == keys
    assert account.labeled + account.rejected + account.failed == keys


@pytest.mark.ray
def test_the_account(done: Done, case: Case) -> None:
    account = status(done.run)
    assert account.unreconciled == [] and not account.complete
    assert account.unreadable.keys() == done.progress.unreadable.keys() == case.unreadable.keys()
    for name, said in case.unreadable.items():
        assert said in account.unreadable[name] and str(case.folder / name) in account.unreadable[name]
    assert (account.shards, account.done, account.in_progress, account.not_started) == (12, 8, 0, 0)
    assert "ends inside" in account.notes[CUT]
    by_shard: dict[str, int] = {}
    for shard, _ in table(done.run):
        by_shard[shard] = by_shard.get(shard, 0) + 1
    assert {c.shard: c.rows for c in done.run.done()} == {**by_shard, "EN-empty": 0}
    assert all(c.reconciles for c in done.run.done())


@pytest.mark.ray
def test_measured_values_and_errors_are_kept(done: Done, speech: Speech) -> None:
    found = {name: row for (shard, name), row in table(done.run).items() if shard == AUDIO}
    assert found["40-minutes"]["reason_value"] == found["40-minutes"]["duration_s"] == 2400.0
    assert found["zero-samples"]["reason_value"] == 0.0
    assert found["nan"]["reason_value"] == pytest.approx(1 / len(speech.samples))
    assert found["inf"]["reason_value"] == pytest.approx(2 / len(speech.samples))
    assert found["silence"]["reason_value"] == 0.0 and found["silence"]["quality"]["peak"] == 0.0
    assert {name: found[name]["sample_rate_hz"] for name in ("8-khz", "96-khz", "stereo")} == {
        "8-khz": 8_000,
        "96-khz": 96_000,
        "stereo": speech.rate,
    }
    for name in ("8-khz", "96-khz", "stereo", "24-bit", "float", "aiff-as-wav"):
        assert found[name]["duration_s"] == pytest.approx(len(speech.samples) / speech.rate, abs=1e-3)
        assert found[name]["style"]["pitch_hz"] == pytest.approx(found["float"]["style"]["pitch_hz"], rel=0.02)
    for row in failures(done.run):
        assert row["detail"] and row["stage"] and row["reason"]


@pytest.mark.ray
def test_the_same_id_in_two_shards(done: Done, speech: Speech) -> None:
    """Both rows are there; the later one is written down as not counting."""
    found = done.run.duplicates().to_pylist()
    assert found == [{"utterance_id": speech.good(0), "shard": IDS, "position": 1}]
    assert status(done.run).duplicates == done.progress.duplicates == 1


@pytest.mark.ray
def test_neighbours_keep_their_labels(done: Done, case: Case, speech: Speech, tmp_path: Path) -> None:
    """Against a clean run of the good clips alone, in another tar, another order, and other chunks."""
    spoilt = [n for n, _ in enumerate(speech.json[:20]) if n not in (8, 9, 11, 12, 18, 19)]
    tar = write_tar(tmp_path / "EN-good.tar", [m for n in reversed(spoilt) for m in speech.clip(n)])
    clean = RunFolder(str(tmp_path / "run"))
    # The words low, medium and high stand against the run's own sample, so both runs take the same.
    clean.store.write_text("reference.json", done.run.store.read_text("reference.json"))
    profile = tmp_path / "profile.yaml"
    profile.write_text(PROFILE.replace("{clips: 4", "{clips: 7"))
    label([str(tar)], clean, load_config(str(profile)), str(profile))
    wanted = rows_of(clean)
    assert len(wanted) == len(spoilt) and {row["outcome"] for row in wanted.values()} == {"labeled"}
    assert all(row["style"]["pitch_level"] and row["style"]["rate_level"] for row in wanted.values())
    beside = {
        name: {**row, "shard": "EN-good", "position": wanted[name]["position"]}
        for (shard, name), row in table(done.run).items()
        if name in wanted and (shard, name) != (IDS, speech.good(0))
    }
    assert_same(wanted, beside)
    assert {name: row["style"] for name, row in wanted.items()} == {name: row["style"] for name, row in beside.items()}


@pytest.mark.ray
def test_a_repaired_input_heals_the_run(done: Done, case: Case, speech: Speech, tmp_path: Path) -> None:
    """``failures --retry`` on a copy of the run, after the cut tar, the vanished shard and the missing file are back."""
    run = RunFolder(str(tmp_path / "run"))
    shutil.copytree(done.run.store.path(), run.store.path())
    before = table(run)
    cut_tar, lines = case.folder / f"{CUT}.tar", case.folder / "EN-list.jsonl"
    cut, broken_lines = cut_tar.read_bytes(), lines.read_text()
    link = case.folder / "EN-files" / "f2.wav"
    target = case.folder.parent / "f2-is-not-here.wav"
    try:
        cut_tar.write_bytes(case.whole_cut_tar)
        lines.write_text(case.whole_list)
        shutil.copy(done.vanished, case.folder / f"{VANISHING}.tar")
        shutil.copy(case.folder.parent / "f2.wav", target)
        again = cli("failures", run.store.path(), "--retry", "--json")
        assert again.exit_code == 1, again.output
        assert "3 of 12 shards could not be read" in again.stderr and "EN-text.tar is not a tar" in again.stderr

        found = {key: ending for key, ending in endings(run).items() if ending[2] != "invalid_id"}
        assert found == {key: ending for key, ending in {**case.expected, **case.heal}.items() if ending is not None}
        account = status(run)
        assert account.unreconciled == [] and account.done == 9
        assert account.unreadable.keys() == case.unreadable.keys() - {VANISHING}
        for key, row in table(run).items():
            if key in before and key not in case.heal:
                assert judged({**row, "position": 0}) == judged({**before[key], "position": 0})

        # The run knows its input as it is now: the same command is not refused, and finds nothing to do.
        same = cli("label", *done.inputs, run.store.path(), "--profile", done.profile, "--json")
        event = json.loads(same.stdout.splitlines()[-1])
        assert (same.exit_code, event["rows"], event["shards_skipped"]) == (1, 0, 9)
    finally:
        cut_tar.write_bytes(cut)
        lines.write_text(broken_lines)
        (case.folder / f"{VANISHING}.tar").unlink(missing_ok=True)
        target.unlink(missing_ok=True)
        assert link.is_symlink()
