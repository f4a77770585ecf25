"""The probe as a command takes it: from a model or a table, with folds given or drawn."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from manifests.errors import ConfigError, EmotroveError, InputError
from manifests.features import FEATURES, encode_features, feature
from manifests.run_folder import features_file
from manifests.scoring import Answer, score
from model.emotion2vec_s import Emotion2VecS
from model.emotion2vec_s.loading import network_version
from model.probe import extract, probe
from model.speech import read_speech
from model.speech.clip import Progress
from pipeline.evaluation import Evaluation, evaluate_probe
from tests.model.emotion2vec_s.golden import small_config
from tests.pipeline.evaluation.labelled_speech import labelled_speech
from tests.pipeline.small_run import finished_run


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("network")
    Emotion2VecS(small_config()).save_pretrained(folder)
    return folder


def probed(inputs: list[str], truth: Path | None = None, **given: Any) -> Evaluation:
    @contextmanager
    def silent(title: str) -> Iterator[Progress]:
        yield lambda done, total: None

    chosen = {"model": None, "table": None, "mode": None, "head": "linear", "seed": 0, "device": "cpu", **given}
    return evaluate_probe(inputs, truth, bar=silent, **chosen)


def test_the_command_is_extract_and_probe(tmp_path: Path, network: Path) -> None:
    table = labelled_speech(tmp_path)
    found = probed([str(table)], model=str(network), mode="tokens")
    clips = read_speech([str(table)]).labelled
    features = extract(Emotion2VecS.from_pretrained(network), clips, "tokens")
    expected = probe(
        features, [str(c.emotion) for c in clips], [str(c.speaker) for c in clips], [int(str(c.fold)) for c in clips]
    )
    assert found.folds is not None
    assert (found.folds.ua_mean, found.folds.ua) == (expected.uar, expected.uar_by_fold)
    answers = [Answer(c.id, str(c.emotion), p, c.speaker) for c, p in zip(clips, expected.predicted, strict=True)]
    assert found.scores.ua == score(answers).ua and found.scores.drawn == {"speakers": 4}
    assert found.subject == f"probe: linear on tokens of {network} ({network_version(network)})" and found.notes == (
        "2 folds as given",
    )
    assert list(found.languages) == ["en", "zh"] and found.languages["zh"].clips == 9


def test_folds_are_drawn_where_none_are_given(tmp_path: Path, network: Path) -> None:
    table = labelled_speech(tmp_path, folds=False)
    found = probed([str(table)], model=str(network), head="mlp", seed=3)
    assert found.notes == ("4 folds that share no speaker, drawn with seed 3",)
    lines = [json.loads(line) for line in table.read_text().splitlines()]
    for line in lines:
        del line["speaker"]
    table.write_text("".join(json.dumps(line) + "\n" for line in lines))
    notes = probed([str(table)], model=str(network)).notes
    assert "36 clips name neither speaker nor source" in notes[1]


def test_what_cannot_be_probed_is_said(tmp_path: Path, network: Path) -> None:
    table = labelled_speech(tmp_path)
    for given in ({}, {"model": str(network), "table": "emotion2vec_s"}):
        with pytest.raises(ConfigError, match="either --model.*or --table"):
            probed([str(table)], **given)
    with pytest.raises(ConfigError, match="features of one run"):
        probed([str(table)], table="emotion2vec_s")
    with pytest.raises(EmotroveError, match="no-such-folder"):
        probed([str(table)], model=str(tmp_path / "no-such-folder"))
    with pytest.raises(ConfigError, match="'gpu3' is no device"):
        probed([str(table)], model=str(network), device="gpu3")
    truth = tmp_path / "truth.jsonl"
    truth.write_text('{"id": "s0c0", "emotion": "sad", "fold": 1}\n{"id": "s1c0", "emotion": "happy"}\n')
    with pytest.raises(InputError, match="1 of 2 clips have no fold, such as s1c0"):
        probed([str(table)], truth, model=str(network))


def test_features_that_a_run_holds(tmp_path: Path) -> None:
    """No audio is read: the features table and the truth are enough."""
    speech = read_speech([str(labelled_speech(tmp_path / "in"))]).labelled
    names = [clip.id for clip in speech]
    place = {"shard": "S", "audio_uri": "/gone.tar#0+1"}
    rows = [{"utterance_id": n, "position": i, "speaker": n[:2], **place} for i, n in enumerate(names)]
    run = finished_run(tmp_path / "run", rows)
    run.write_run({**run.require(), "features": ["net"]})
    directions = np.eye(3)[[int(n.split("c")[1]) % 3 for n in names]]
    table = [
        {
            "utterance_id": n,
            "shard": "S",
            "position": i,
            **feature("net", "1", "tokens", np.stack([directions[i]] * 10)),
        }
        for i, n in enumerate(names)
    ]
    run.store.write_bytes(features_file("net", "S", 0), encode_features(pa.Table.from_pylist(table, schema=FEATURES)))
    truth = tmp_path / "truth.jsonl"
    truth.write_text("".join(json.dumps({"id": clip.id, "emotion": clip.emotion}) + "\n" for clip in speech))
    found = probed([str(run)], truth, table="net")
    assert found.scores.ua.value == 1.0
    assert found.subject == f"probe: linear on tokens (version 1) of net in {run}"
    with pytest.raises(ConfigError, match="a table holds what was asked for"):
        probed([str(run)], truth, table="net", mode="tokens")
    assert found.notes == ("4 folds that share no speaker, drawn with seed 0",)
