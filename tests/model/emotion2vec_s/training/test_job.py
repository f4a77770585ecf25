"""A training as a user runs it: the command, a kill, logs, several workers."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from model.emotion2vec_s import Emotion2VecS
from model.emotion2vec_s.loading import load_emotion2vec_s
from model.emotion2vec_s.training.folder import TrainingFolder
from pipeline.cli import app
from tests.model.emotion2vec_s.training.buzzes import NETWORK, NO_DROPOUT, settings, write_buzzes
from tests.packages import require

COMMAND = [sys.executable, "-m", "pipeline.cli", "train", "emotion2vec-s"]


def arguments(folder: Path, out: str, *more: str, **changed: Any) -> list[str]:
    """Inputs and options of a small training in ``folder``."""
    if not (folder / "buzzes.jsonl").exists():
        write_buzzes(folder)
    path = folder / f"{out}.yaml"
    path.write_text(yaml.safe_dump(settings(**changed)))
    return [str(folder / "buzzes.jsonl"), "--out", str(folder / out), "--config", str(path), *more]


def command(*args: str) -> Any:
    return CliRunner().invoke(app, ["train", "emotion2vec-s", *args], catch_exceptions=False)


def records(out: Path) -> list[dict[str, Any]]:
    """The figures of a training, without those that hang on the clock."""
    found = TrainingFolder(str(out)).records()
    return [{k: v for k, v in record.items() if k not in ("hours_per_hour", "waited_s")} for record in found]


def test_the_command_leaves_a_network_that_loads(tmp_path: Path) -> None:
    done = command(*arguments(tmp_path, "out", "--json", steps=4))
    assert done.exit_code == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert events[-1]["event"] == "end"
    assert events[-1]["steps"] == 4
    out = tmp_path / "out"
    network = load_emotion2vec_s(str(out / "model"))
    assert isinstance(network, Emotion2VecS)
    trained = TrainingFolder(str(out)).load(4)["module"]
    assert all((weight == trained[f"student.{name}"]).all() for name, weight in network.state_dict().items())
    card = (out / "model" / "README.md").read_text()
    assert "24 clips" in card
    assert "licence" in card
    described = yaml.safe_load((out / "training.yaml").read_text())
    assert described["config"]["optimizer"]["weight_decay"] == 0.01
    assert described["data"]["labelled"] == {"angry": 4, "disgusted": 4, "fearful": 4}
    assert described["versions"]["torch"]
    assert not (out / "lease.json").exists()
    modes = {path.name: path.stat().st_mode for path in (out / "model").iterdir()}
    assert modes["model.safetensors"] == modes["config.json"], "others cannot read the weights"
    again = command(*arguments(tmp_path, "out", steps=4))
    assert again.exit_code == 0 and f"{out} has all 4 steps already" in again.stderr


def test_a_trained_network_can_be_started_from(tmp_path: Path) -> None:
    assert command(*arguments(tmp_path, "first", steps=2)).exit_code == 0
    model = str(tmp_path / "first" / "model")
    more = arguments(tmp_path, "second", "--init", model, steps=1, network={})
    path = tmp_path / "second.yaml"
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "network": {"layerdrop": 0.0}}))
    done = command(*more)
    assert done.exit_code == 0, done.stderr
    before, after = (load_emotion2vec_s(str(tmp_path / name / "model")) for name in ("first", "second"))
    assert after.config.layerdrop == 0.0
    assert after.config.hidden_size == before.config.hidden_size == NETWORK["hidden_size"]
    moved = [(a - b).abs().max() for a, b in zip(after.parameters(), before.parameters(), strict=True)]
    assert 0 < max(moved) < 0.01


def test_another_configuration_or_other_clips_are_refused(tmp_path: Path) -> None:
    assert command(*arguments(tmp_path, "out", steps=2)).exit_code == 0
    other = command(*arguments(tmp_path, "out", "--set", "optimizer.learning_rate=0.5", steps=2))
    assert other.exit_code == 1
    assert "+  learning_rate: 0.5" in other.stderr.replace("    ", "  ")
    write_buzzes(tmp_path, labelled=15)
    fewer = command(*arguments(tmp_path, "out", steps=2))
    assert fewer.exit_code == 1
    assert "other clips" in fewer.stderr
    assert "+  clips: 27" in fewer.stderr.replace("    ", "  ")
    into_model = command(*arguments(tmp_path, "out/model", steps=2))
    assert into_model.exit_code == 1 and "holds a network" in into_model.stderr


def test_the_network_of_a_checkpoint_can_be_taken_out(tmp_path: Path) -> None:
    changed = {"steps": 4, "checkpoints": {"every": 2, "keep": 5}, "log": {"every": 3}}
    assert command(*arguments(tmp_path, "out", **changed)).exit_code == 0
    checkpoint, out = tmp_path / "out" / "checkpoints" / "step-00000002.pt", tmp_path / "taken"

    def convert(*more: str) -> Any:
        return CliRunner().invoke(
            app, ["convert", "emotion2vec-s", str(checkpoint), str(out), *more], catch_exceptions=False
        )

    refused = convert("--no-normalize")
    assert refused.exit_code == 1 and "leave out --config and --normalize" in refused.stderr
    done = convert("--json")
    assert done.exit_code == 0, done.stderr
    network = load_emotion2vec_s(str(out))
    told = json.loads(done.stdout)
    assert told["step"] == 2 and told["config"]["hidden_size"] == network.config.hidden_size
    trained = TrainingFolder(str(tmp_path / "out")).load(2)["module"]
    assert all((weight == trained[f"student.{name}"]).all() for name, weight in network.state_dict().items())
    last = load_emotion2vec_s(str(tmp_path / "out" / "model"))
    assert any((a != b).any() for a, b in zip(network.parameters(), last.parameters(), strict=True))
    card = (out / "README.md").read_text()
    assert "| steps | 2 of 4 planned, of 12 s" in card and "None were logged up to this step" in card
    again = convert()
    assert again.exit_code == 1 and "is there already" in again.stderr
    whole = checkpoint.read_bytes()
    for place, data, said in (
        (tmp_path / "copied.pt", whole, "Name it where the training wrote it"),
        (checkpoint, whole[:1000], "cannot be read"),
        (tmp_path / "out", None, "name one of its checkpoints"),
        (tmp_path / "out" / "checkpoints" / "step-00000004.pt", None, "Could not write"),
    ):
        if data is not None:
            place.write_bytes(data)
        out = tmp_path / ("fresh" if said != "Could not write" else "copied.pt/fresh")
        checkpoint = place
        failed = convert()
        assert failed.exit_code == 1 and said in failed.stderr and not out.exists()


def test_a_training_that_never_began_is_no_other_training(tmp_path: Path) -> None:
    refused = command(*arguments(tmp_path, "out", "--set", "pretraining.average_top_k_layers=5", steps=2))
    assert refused.exit_code == 1 and "the network has 2 blocks" in refused.stderr
    mended = command(*arguments(tmp_path, "out", "--set", "pretraining.average_top_k_layers=1", steps=2))
    assert mended.exit_code == 0, mended.stderr


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--set", "optimizer.lr=1"], "optimizer.lr: unknown key"),
        (["--gpus"], "PyTorch sees none here"),
        (["--set", "data.batch_s=1"], "Raise data.batch_s"),
        (["--out", "s3://bucket/out"], "a folder that all its workers see"),
        (["--set", "pretraining.average_top_k_layers=5"], "the network has 2 blocks"),
    ],
)
def test_mistakes_are_told_in_one_line(tmp_path: Path, more: list[str], said: str) -> None:
    done = command(*arguments(tmp_path, "out", *more, steps=2))
    assert done.exit_code == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_print_config_trains_nothing(tmp_path: Path) -> None:
    done = command(*arguments(tmp_path, "out", "--print-config"))
    values = yaml.safe_load(done.stdout)
    assert values["data"]["batch_s"] == 12.0
    assert values["network"]["depth"] == 2 and values["network"]["decoder_kernel"] == 7
    assert json.loads(command(*arguments(tmp_path, "out", "--print-config", "--json")).stdout) == values
    assert not (tmp_path / "out").exists()


def test_tensorboard_gets_every_figure_once(tmp_path: Path) -> None:
    require("tensorboard", "pip install 'emotrove[train]'")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    changed = {"steps": 6, "log": {"to": ["tensorboard"]}, "checkpoints": {"every": 2, "keep": 5}}
    assert command(*arguments(tmp_path, "out", **changed)).exit_code == 0
    for step in (5, 6):  # as after a kill behind step 4
        (tmp_path / "out" / "checkpoints" / f"step-{step:08d}.pt").unlink(missing_ok=True)
    assert command(*arguments(tmp_path, "out", **changed)).exit_code == 0
    events = EventAccumulator(str(tmp_path / "out" / "tensorboard")).Reload()
    for name in ("loss", "loss_category", "target_variance", "gradient_norm"):
        found = [(event.step, event.value) for event in events.Scalars(name)]
        assert found == [(r["step"], pytest.approx(r[name], rel=1e-6)) for r in records(tmp_path / "out")]


def test_mlflow_goes_on_in_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require("mlflow", "pip install 'emotrove[train]'")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    changed = {"steps": 4, "log": {"to": ["mlflow"]}, "checkpoints": {"every": 2, "keep": 5}}
    assert command(*arguments(tmp_path, "out", **changed)).exit_code == 0
    (tmp_path / "out" / "checkpoints" / "step-00000004.pt").unlink()
    assert command(*arguments(tmp_path, "out", **changed)).exit_code == 0
    import mlflow

    client = mlflow.MlflowClient()
    (experiment,) = client.search_experiments(filter_string="name = 'emotion2vec-s'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["optimizer.learning_rate"] == "0.001"
    losses = {metric.step: metric.value for metric in client.get_metric_history(run.info.run_id, "loss")}
    assert losses == {r["step"]: pytest.approx(r["loss"]) for r in records(tmp_path / "out")}


def test_mlflow_without_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    require("mlflow", "pip install 'emotrove[train]'")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    done = command(*arguments(tmp_path, "out", log={"to": ["mlflow"]}))
    assert done.exit_code == 1
    assert "MLFLOW_TRACKING_URI is not set" in done.stderr


def test_a_package_that_is_missing_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("model.emotion2vec_s.training.logs.find_spec", lambda name: None)
    done = command(*arguments(tmp_path, "out", log={"to": ["tensorboard"]}))
    assert done.exit_code == 1
    assert "pip install 'emotrove[train]'" in done.stderr


@pytest.mark.slow
def test_killed_at_any_step_it_goes_on_as_if_nothing_had_been(tmp_path: Path) -> None:
    changed: dict[str, Any] = {"steps": 40, "checkpoints": {"every": 10, "keep": 2}}
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([*COMMAND, *arguments(tmp_path, "whole", **changed)], env=environment, check=True, timeout=300)
    killed = arguments(tmp_path, "killed", **changed)
    for at in (13, 26):
        process = subprocess.Popen([*COMMAND, *killed], env=environment)
        until = time.monotonic() + 300
        while not any(r["step"] >= at for r in records(tmp_path / "killed")):
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < until
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    reached = len(records(tmp_path / "killed"))
    assert 26 <= reached < 40
    subprocess.run([*COMMAND, *killed], env=environment, check=True, timeout=300)
    assert records(tmp_path / "killed") == records(tmp_path / "whole")


@pytest.mark.ray
@pytest.mark.slow
def test_two_workers_give_the_curve_of_one(tmp_path: Path) -> None:
    changed: dict[str, Any] = {
        "steps": 20,
        "network": {**NETWORK, **NO_DROPOUT},
        "pretraining": {"decoder_input_dropout": 0.0},
    }
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    for out, workers in (("one", "1"), ("two", "2")):
        args = arguments(tmp_path, out, "--workers", workers, **changed)
        subprocess.run([*COMMAND, *args], env=environment, check=True, timeout=500)
    one, two = records(tmp_path / "one"), records(tmp_path / "two")
    assert len(one) == len(two) == 20
    for a, b in zip(one, two, strict=True):
        for figure in ("loss_frame", "loss_utterance", "loss_category", "target_variance", "prediction_variance"):
            assert b[figure] == pytest.approx(a[figure], abs=1e-3), (a["step"], figure)
    assert load_emotion2vec_s(str(tmp_path / "two" / "model"))
    assert not (tmp_path / "two" / "ray").exists()


@pytest.mark.ray
@pytest.mark.slow
def test_what_a_worker_raises_reaches_the_user(tmp_path: Path) -> None:
    args = arguments(tmp_path, "out", "--workers", "2", pretraining={"min_target_variance": 0.9}, steps=40)
    done = subprocess.run([*COMMAND, *args], capture_output=True, text=True, check=False, timeout=500)
    assert done.returncode == 1
    assert "target variance is" in done.stderr
    assert "Traceback" not in done.stderr
