"""Loading a converted network, and what is refused."""

import http.server
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from manifests.errors import StorageError
from model.emotion2vec_s import Emotion2VecS
from model.emotion2vec_s.loading import load_emotion2vec_s, network_version
from model.emotion2vec_s.pretraining.student import Emotion2VecSForPreTraining
from model.model_folder import ModelError
from tests.model.emotion2vec_s.golden import small_config
from tests.model.emotion2vec_s.released.released_files import fairseq_file, stored_config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    Emotion2VecS(small_config(labels=["happy", "sad"])).save_pretrained(tmp_path / "network")
    return tmp_path / "network"


def same(network: Emotion2VecS, folder: Path) -> bool:
    stored, found = load_file(folder / "model.safetensors"), network.state_dict()
    return stored.keys() == found.keys() and all(torch.equal(stored[name], found[name]) for name in stored)


def test_a_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = load_emotion2vec_s(str(folder))
    assert type(network) is Emotion2VecS
    assert not network.training
    assert same(network, folder)
    assert network.config.labels == ["happy", "sad"]
    monkeypatch.chdir(folder.parent)
    assert same(load_emotion2vec_s("network"), folder)
    assert same(load_emotion2vec_s(f"file://{folder}"), folder)


def test_precision_and_class_can_be_chosen(folder: Path) -> None:
    half = load_emotion2vec_s(str(folder), dtype=torch.bfloat16)
    assert {tensor.dtype for tensor in half.state_dict().values()} == {torch.bfloat16}
    student = load_emotion2vec_s(str(folder), network=Emotion2VecSForPreTraining)
    assert type(student) is Emotion2VecSForPreTraining


def test_the_version_is_that_of_the_weights_and_the_configuration(folder: Path) -> None:
    path = folder / "config.json"
    version, config = network_version(folder), json.loads(path.read_text())
    assert re.fullmatch("[0-9a-f]{8}", version)
    path.write_text(json.dumps(config | {"transformers_version": "0.0"}))
    assert network_version(folder) == version
    path.write_text(json.dumps(config | {"normalize": True}))
    normalized = network_version(folder)
    path.write_text(json.dumps(config))
    change(folder, lambda weights: weights["head.0.bias"].add_(1))
    assert len({version, normalized, network_version(folder)}) == 3
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="model.safetensors cannot be read: No such file"):
        network_version(folder)
    with pytest.raises(ModelError, match="config.json cannot be read: No such file"):
        network_version(folder / "none")


def change(folder: Path, edit: Callable[[dict[str, Tensor]], object]) -> None:
    weights = load_file(folder / "model.safetensors")
    edit(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_nothing_is_initialised_in_silence(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    def edit(weights: dict[str, Tensor]) -> None:
        del weights["blocks.0.norm1.weight"], weights["head.0.bias"]
        weights["blocks.9.norm1.weight"] = torch.zeros(96)
        weights["blocks.1.norm1.weight"] = torch.zeros(95)

    change(folder, edit)
    with pytest.raises(ModelError) as refused:
        load_emotion2vec_s(str(folder))
    assert str(refused.value).splitlines()[1:] == [
        "missing     blocks.0.norm1.weight",
        "missing     head.0.bias",
        "unexpected  blocks.9.norm1.weight",
        "misshapen   blocks.1.norm1.weight: expected (96,), found (95,)",
    ]
    assert capfd.readouterr() == ("", "")  # of transformers' own report


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        (
            "config.json",
            '{"model_type": "wav2vec2"}',
            "another kind of model: model_type in its config.json is 'wav2vec2'",
        ),
        ("config.json", "[]", "model_type in its config.json is None"),
        ("config.json", "{", "config.json cannot be read"),
        ("config.json", None, "it lacks config.json"),
        ("model.safetensors", None, "it lacks model.safetensors"),
        ("model.safetensors", "x", "cannot be loaded: "),
    ],
)
def test_another_folder_is_refused(folder: Path, name: str, content: str | None, why: str) -> None:
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content)
    with pytest.raises(ModelError, match=why):
        load_emotion2vec_s(str(folder))


def test_an_impossible_configuration_is_refused(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"hidden_size": "wide"}))
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_emotion2vec_s(str(folder))


def test_a_released_checkpoint_is_to_be_converted_first(tmp_path: Path) -> None:
    path = fairseq_file(tmp_path / "checkpoint.pt", {"a": torch.zeros(1)}, stored_config())
    for name in (path, tmp_path):
        with pytest.raises(ModelError, match=f"Convert it first: emotrove convert emotion2vec-s {name} FOLDER"):
            load_emotion2vec_s(str(name))


def test_a_place_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="No such folder: /no/such"):
        load_emotion2vec_s("/no/such")
    with pytest.raises(ModelError, match="No such folder: emotion2vec-s. A model on the hub is named org/name"):
        load_emotion2vec_s("emotion2vec-s")
    with pytest.raises(ModelError, match="only a model on the hub has revisions"):
        load_emotion2vec_s(str(tmp_path), revision="main")


def test_a_device_that_is_not_there_is_said(folder: Path) -> None:
    with pytest.raises(ModelError, match="gpu is no device of torch"):
        load_emotion2vec_s(str(folder), device="gpu")
    if not torch.cuda.is_available():
        with pytest.raises(ModelError, match="torch sees no GPU here"):
            load_emotion2vec_s(str(folder), device="cuda")


def test_an_object_store(folder: Path, s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import boto3

    monkeypatch.setenv("EMOTROVE_CACHE", str(tmp_path / "cache"))
    for path in folder.iterdir():
        boto3.client("s3").upload_file(str(path), s3, f"networks/{path.name}")
    assert same(load_emotion2vec_s(f"s3://{s3}/networks"), folder)
    with pytest.raises(StorageError, match="holds no converted model"):
        load_emotion2vec_s(f"s3://{s3}/other")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A hub that has nothing; the folder is its client's cache."""
    from huggingface_hub import constants

    class Nothing(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            self.send_header("X-Error-Code", "RepoNotFound")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Nothing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    yield tmp_path / "hub"
    server.shutdown()
    server.server_close()


def test_a_name_on_the_hub(folder: Path, hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    with pytest.raises(ModelError, match="org/name is neither a folder here nor a model on the Hugging Face hub"):
        load_emotion2vec_s("org/name")
    # What was fetched before is in the client's cache, and enough without a network.
    commit = "0" * 40
    place = hub / "models--org--name"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text(commit)
    (place / "snapshots").mkdir()
    folder.rename(place / "snapshots" / commit)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert same(load_emotion2vec_s("org/name"), place / "snapshots" / commit)
    with pytest.raises(ModelError, match="the Hugging Face hub, where it may be, cannot be reached"):
        load_emotion2vec_s("org/other")
