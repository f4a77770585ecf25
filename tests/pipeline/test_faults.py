"""What stops a command before it works or while it works, and how it says so."""

import json
import subprocess
import time
from pathlib import Path

import pytest
import ray
from typer.testing import Result

from manifests.run_folder import RunFolder
from pipeline.config import load_config
from pipeline.label import Progress, label
from pipeline.status import status
from tests.pipeline.bad_shards import PROFILE, Speech
from tests.pipeline.command import cli, emotrove
from tests.pipeline.rows import rows_of
from tests.speech import write_tar


def refused(result: Result, said: str) -> None:
    assert result.exit_code == 1, result.output
    assert result.stderr.strip().startswith("emotrove: ") and said in result.stderr
    assert "Traceback" not in result.output


def test_an_input_that_cannot_be_used(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (tmp_path / "nothing").mkdir()
    (tmp_path / "a.txt").touch()
    for spec, said in (
        (tmp_path / "none.tar", f"No such input: {tmp_path}/none.tar"),
        (tmp_path / "*.tar", "quoted glob such as 'data/*.tar'"),
        (tmp_path / "nothing", f"No shard in {tmp_path}/nothing: emotrove reads .tar files"),
        (tmp_path / "a.txt", "is not a .tar, a .jsonl, an audio file or a folder"),
        ("/tmp/" + "a" * 300 + ".tar", "File name too long"),
    ):
        refused(cli("label", spec, run), said)
        refused(cli("inspect", spec), said)
    assert not run.exists(), "a refused command left a run folder"


def test_a_run_folder_that_cannot_be_used(speech: Speech, tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "EN-a.tar", speech.clip(0))
    (tmp_path / "file").touch()
    refused(cli("label", tar, tmp_path / "file"), f"{tmp_path}/file is a file. Give a folder for the run")
    refused(cli("status", tmp_path / "none"), "is not a run folder")
    refused(cli("failures", tmp_path / "none", "--retry"), "is not a run folder")


def test_the_real_command_refuses_a_wrong_profile(speech: Speech, tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "EN-a.tar", speech.clip(0))
    profile = tmp_path / "my.yaml"
    profile.write_text("chunk: {clips: 4}\nadio: {min_duration_s: 1}\n")
    finished = emotrove("label", tar, tmp_path / "run", "--profile", profile)
    assert finished.returncode == 1
    assert finished.stderr == f"emotrove: {profile}: adio: unknown key\n"
    for text, said in (
        ("audio: {min_duration_s: soon}", "audio.min_duration_s: "),
        ("annotators: {quality: {min_peek: 1}}", "annotators.quality.min_peek: unknown key"),
        ("annotators: {nosuch: {}}", "There is no annotator 'nosuch'"),
    ):
        profile.write_text(text)
        refused(cli("label", tar, tmp_path / "run", "--profile", profile), said)
    refused(cli("label", tar, tmp_path / "run", "--profile", "huge"), "There is no profile 'huge'")
    assert not (tmp_path / "run").exists()


@pytest.mark.ray
def test_two_jobs_at_once(local_ray: object, speech: Speech, tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "EN-a.tar", [m for n in range(4) for m in speech.clip(n)])
    profile = tmp_path / "my.yaml"
    profile.write_text(PROFILE)
    command = ("label", tar, tmp_path / "run", "--profile", profile)
    second: list[subprocess.CompletedProcess[str]] = []

    def listen(progress: Progress) -> None:
        if progress.stage == "labelling" and not second:
            second.append(emotrove(*command))

    run = RunFolder(str(tmp_path / "run"))
    first = label([str(tar)], run, load_config(str(profile)), str(profile), listener=listen)
    assert second[0].returncode == 1
    assert f"Another job is at work on {tmp_path}/run: process " in second[0].stderr
    assert "Traceback" not in second[0].stderr
    assert first.rows == 4 and status(run).complete
    assert cli(*command).exit_code == 0, "the lease was not given back"


def _wait_for_idle_ray() -> None:
    deadline = time.monotonic() + 60
    while ray.available_resources().get("CPU") != ray.cluster_resources()["CPU"]:
        assert time.monotonic() < deadline, "tasks of a job that has ended are still running"
        time.sleep(0.1)


@pytest.mark.ray
def test_a_full_disk(local_ray: object, speech: Speech, small_disk: Path, tmp_path: Path) -> None:
    tars = [
        write_tar(tmp_path / f"EN-{t}.tar", [m for n in range(10 * t, 10 * t + 10) for m in speech.clip(n)])
        for t in range(2)
    ]
    profile = tmp_path / "my.yaml"
    profile.write_text(PROFILE.replace("{clips: 4", "{clips: 1"))
    run = small_disk / "run"
    command = ("label", *tars, run, "--profile", profile, "--json")
    stopped = cli(*command)
    refused(stopped, f"emotrove: Could not write {run}/")
    assert "No space left on device. The disk is full: free some space and run the command again." in stopped.stderr
    assert stopped.stderr.count("\n") == 1
    _wait_for_idle_ray()  # commits that were under way when the disk was full end by themselves
    assert not list(run.rglob(".tmp-*")), "half a file was left"
    there = RunFolder(str(run)).dataset().count_rows()
    assert 0 < there < 20, "the disk was not full in the middle of the job"
    assert not (run / "lease.json").exists()

    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    finished = cli(*command)
    assert finished.exit_code == 0, finished.output
    event = json.loads(finished.stdout.splitlines()[-1])
    assert event["rows"] == 20 - there
    rows = rows_of(str(run))
    assert rows.keys() == {speech.good(n) for n in range(20)}
    assert {row["outcome"] for row in rows.values()} == {"labeled"}
    assert status(RunFolder(str(run))).complete
