"""The three commands, as a person types them."""

import json
from pathlib import Path

import torch

from model.emotion2vec_s import Emotion2VecS
from tests.model.emotion2vec_s.golden import small_config
from tests.pipeline.command import cli
from tests.pipeline.evaluation.labelled_speech import labelled_speech
from tests.pipeline.small_run import Row, a_vote, finished_run


def test_run_and_its_short_form(tmp_path: Path) -> None:
    rows: list[Row] = [
        {"utterance_id": n, "shard": "S", "position": i, "speaker": f"[{n}]", "votes": [a_vote("sad")]}
        for i, n in enumerate("abc")
    ]
    run = finished_run(tmp_path / "run", rows)
    truth = tmp_path / "truth.jsonl"
    truth.write_text('{"id": "a", "emotion": "sad"}\n{"id": "b", "emotion": "happy"}\n{"id": "z", "emotion": "sad"}\n')
    long = cli("evaluate", "run", run, truth, "--voter", "seed")
    assert long.exit_code == 0 and cli("evaluate", run, truth, "--voter", "seed").stdout == long.stdout
    assert cli("evaluate", "--voter", "seed", run, truth).stdout == long.stdout
    assert "seed on 2 clips; intervals (95 %) over 2 speakers" in long.stdout
    assert "UA          0.5000 [0.000, 1.000]" in long.stdout
    assert "not scored: in the truth, not labelled by the run 1" in long.stdout
    found = json.loads(cli("evaluate", run, truth, "--json").stdout)
    assert found["subject"] == "consensus" and found["scores"]["wa"]["value"] == 0.5
    wrong = cli("evaluate", tmp_path / "absent", truth)
    assert wrong.exit_code == 1 and "absent is not a run folder" in wrong.output


def test_annotator_with_options_and_page(tmp_path: Path) -> None:
    table, page = labelled_speech(tmp_path / "in"), tmp_path / "seed.html"
    done = cli("evaluate", "annotator", "seed", table, "--page", page)
    assert done.exit_code == 0 and f"{page}: open it in a browser" in done.stdout
    assert "seed 1 on 36 clips" in done.stdout and "<!DOCTYPE html>" in page.read_text("utf-8")
    assert "zh" in done.stdout and "true \\ predicted" in done.stdout
    wrong = cli("evaluate", "annotator", "seed", table, "--set", "weights=/nowhere")
    assert wrong.exit_code == 1 and "/nowhere holds no model.safetensors" in wrong.output
    wrong = cli("evaluate", "annotator", "seed", table, "--set", "weights")
    assert wrong.exit_code == 1 and "--set weights" in wrong.output


def test_probe(tmp_path: Path) -> None:
    table = labelled_speech(tmp_path / "in")
    torch.manual_seed(0)
    Emotion2VecS(small_config()).save_pretrained(tmp_path / "network")
    done = cli("evaluate", "probe", "--model", tmp_path / "network", table, "--device", "cpu")
    assert done.exit_code == 0, done.output
    assert "mean UA of the folds" in done.stdout and "2 folds as given" in done.stdout
    again = cli("evaluate", "probe", "--model", tmp_path / "network", table, "--head", "mlp", "--json")
    assert set(json.loads(again.stdout)["folds"]["ua"]) == {"1", "2"}
    wrong = cli("evaluate", "probe", table)
    assert wrong.exit_code == 1 and "Give either --model" in wrong.output
