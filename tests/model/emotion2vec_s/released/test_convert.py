"""The command, on files in the form of the released ones."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from model.emotion2vec_s.loading import load_emotion2vec_s
from model.emotion2vec_s.pretraining.student import Emotion2VecSForPreTraining
from tests.model.emotion2vec_s.golden import Golden
from tests.model.emotion2vec_s.released.released_files import (
    FULL_FEATURE_ENCODER,
    PLUS_LABELS,
    Payload,
    fairseq_file,
    small_weights,
    stored_config,
    with_config_types,
)
from tests.packages import require
from tests.pipeline.command import cli


def convert(*args: object, code: int = 0) -> str:
    result = cli("convert", "emotion2vec-s", *args)
    assert result.exit_code == code, result.output
    return result.output


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize("legacy", [False, True])
def test_golden_outputs_survive_conversion(golden: Golden, tmp_path: Path, legacy: bool) -> None:
    config = stored_config(audio={"decoder": {"decoder_dim": 48, "decoder_groups": 16}})
    convert(fairseq_file(tmp_path / "c.pt", golden.weights, config, legacy=legacy), tmp_path / "out")
    network = load_emotion2vec_s(str(tmp_path / "out"))
    waveforms, lengths = golden.padded()
    with torch.no_grad():
        batch = network(waveforms, lengths)
        for clip in golden.clips:
            alone = network(golden[f"wav_{clip}"][None])
            frames = golden[f"frames_{clip}"]
            for found, expected in (
                (alone.frames[0], frames),
                (alone.utterance("first_frames")[0], golden[f"first_ten_frames_{clip}"]),
                (alone.utterance("tokens")[0], golden[f"utterance_tokens_{clip}"]),
                (batch.frames[clip, : len(frames)], frames),
            ):
                torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    convert(tmp_path / "c.pt", tmp_path / "normalized", "--normalize")
    with torch.no_grad():
        found = load_emotion2vec_s(str(tmp_path / "normalized"))(golden["wav_0"][None]).frames[0]
    torch.testing.assert_close(found, golden["frames_normalized_input_0"], atol=1e-4, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("legacy", [False, True])
def test_a_checkpoint_of_full_size_survives_bit_by_bit(
    golden: Golden, tmp_path: Path, legacy: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    require("omegaconf", "pip install 'emotrove[sensevoice]'")
    generator = torch.Generator().manual_seed(0)
    shapes = json.loads(golden.keys_file.read_text())
    assert len(shapes) == 193
    weights = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    audio = {"prenet_depth": 4, "feature_encoder_spec": FULL_FEATURE_ENCODER}
    config = with_config_types(stored_config(depth=8, embed_dim=768, audio=audio), monkeypatch)
    found = json.loads(
        convert(fairseq_file(tmp_path / "c.pt", weights, config, legacy=legacy), tmp_path / "out", "--json")
    )
    assert found["parameters"] == 93_790_988
    stored = load_file(tmp_path / "out" / "model.safetensors")
    assert stored.keys() == weights.keys()
    assert all(torch.equal(stored[name], weights[name]) for name in weights)
    loaded = load_emotion2vec_s(str(tmp_path / "out"), network=Emotion2VecSForPreTraining).state_dict()
    assert loaded.keys() == weights.keys()
    assert all(torch.equal(loaded[name], weights[name]) for name in weights)


def test_what_was_converted_is_said(tmp_path: Path) -> None:
    weights = {**small_weights(), "_ema": {"x": torch.zeros(1)}, "_fixed.0.bias": torch.zeros(9)}
    path = fairseq_file(tmp_path / "c.pt", weights, stored_config())
    said = " ".join(convert(path, tmp_path / "out").split())
    assert f"Converted {sum(tensor.numel() for tensor in small_weights().values()):,} parameters into" in said
    assert "width 96, 12 heads, 2 + 2 blocks, 10 utterance tokens, decoder of 4 for pre-training." in said
    assert "Head: none. Clips are not normalised first." in said
    assert "Left out: the EMA teacher of pre-training (1 key): _ema.x." in said
    assert "Left out: the nine-class head of pre-training (1 key): _fixed.0.bias." in said
    assert "Assumed" not in said
    card = (tmp_path / "out" / "README.md").read_text()
    sha256 = subprocess.run(["sha256sum", path], capture_output=True, text=True, check=True).stdout.split()[0]
    assert f"`{sha256}`" in card
    assert "\\_ema.x" in card

    normalized = stored_config() | {"task": {"normalize": True}}
    path = fairseq_file(tmp_path / "n.pt", small_weights(), normalized)
    said = " ".join(convert(path, tmp_path / "n").split())
    assert "Clips are normalised first." in said
    assert "convert with --no-normalize" in said
    assert "--no-normalize" not in convert(path, tmp_path / "n2", "--no-normalize")
    assert not load_emotion2vec_s(str(tmp_path / "n2")).config.normalize


def test_the_same_file_gives_the_same_folder(tmp_path: Path) -> None:
    path = fairseq_file(tmp_path / "c.pt", small_weights(), stored_config())
    (tmp_path / "second").mkdir()  # an empty folder is taken
    convert(path, tmp_path / "first")
    convert(path, tmp_path / "second")
    assert contents(tmp_path / "first") == contents(tmp_path / "second")
    assert sorted(contents(tmp_path / "first")) == ["README.md", "config.json", "model.safetensors"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.pt", "first", "second"]


def test_a_folder_in_use_stays_as_it_is(tmp_path: Path) -> None:
    path = fairseq_file(tmp_path / "c.pt", small_weights(), stored_config())
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("x")
    assert "is there already, and not an empty folder" in convert(path, tmp_path / "out", code=1)
    assert contents(tmp_path / "out") == {"mine": b"x"}
    assert "is there already" in convert(path, path, code=1)


def tampered(what: str) -> dict[str, Any]:
    weights: dict[str, Any] = dict(small_weights())
    if what == "missing     blocks.0.attn.qkv.bias: expected (288,)":
        del weights["blocks.0.attn.qkv.bias"]
    elif what == "unexpected  blocks.0.attn.k.bias: found (96,)":
        weights["blocks.0.attn.k.bias"] = torch.zeros(96)
    elif what == "misshapen   blocks.0.mlp.fc1.weight: expected (384, 96), found (384, 95)":
        weights["blocks.0.mlp.fc1.weight"] = torch.zeros(384, 95)
    else:
        weights["x"] = Payload(print, "ran")
    return weights


@pytest.mark.parametrize(
    "what",
    [
        "missing     blocks.0.attn.qkv.bias: expected (288,)",
        "unexpected  blocks.0.attn.k.bias: found (96,)",
        "misshapen   blocks.0.mlp.fc1.weight: expected (384, 96), found (384, 95)",
        "It asks for builtins.print",
    ],
)
@pytest.mark.parametrize("legacy", [False, True])
def test_a_tampered_file_is_refused_by_name_and_leaves_nothing(tmp_path: Path, what: str, legacy: bool) -> None:
    path = fairseq_file(tmp_path / "c.pt", tampered(what), stored_config(), legacy=legacy)
    assert what in convert(path, tmp_path / "out", code=1)
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("strides", [(0, 0), (1, 1)])
def test_a_small_file_does_not_become_large_weights(tmp_path: Path, strides: tuple[int, int], legacy: bool) -> None:
    """Numbers that are stored once and repeated by strides are not copied out."""
    weights = {
        name: torch.ones(2000).as_strided(tensor.shape, strides) if tensor.ndim == 2 else tensor[:1].clone()
        for name, tensor in small_weights().items()
    }
    path = fairseq_file(tmp_path / "c.pt", weights, stored_config(), legacy=legacy)
    said = " ".join(convert(path, tmp_path / "out", code=1).split())
    assert re.search(r"its tensors take [\d,]+ bytes, though the file has [\d,]+: they repeat the same numbers", said)
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]


def test_a_weight_that_was_saved_expanded_is_converted(tmp_path: Path) -> None:
    weights = small_weights()
    name = "modality_encoders.AUDIO.alibi_scale"
    path = fairseq_file(
        tmp_path / "c.pt", {**weights, name: torch.ones(1).expand(weights[name].shape)}, stored_config()
    )
    convert(path, tmp_path / "out")
    assert torch.equal(load_file(tmp_path / "out" / "model.safetensors")[name], torch.ones(weights[name].shape))


def test_a_checkpoint_in_half_precision_is_converted(tmp_path: Path) -> None:
    half = {name: tensor.half() for name, tensor in small_weights().items()}
    convert(fairseq_file(tmp_path / "c.pt", half, stored_config()), tmp_path / "out")
    stored = load_file(tmp_path / "out" / "model.safetensors")
    assert all(torch.equal(stored[name], half[name].float()) for name in half)


def test_a_bare_state_dict_says_what_was_assumed_or_takes_a_configuration(tmp_path: Path) -> None:
    torch.save(small_weights(), tmp_path / "bare.pt")
    said = " ".join(convert(tmp_path / "bare.pt", tmp_path / "out").split())
    assert "Assumed: as in emotion2vec-base: norm_eps 1e-05," in said
    assert "Assumed: clips are not normalised first" in said
    (tmp_path / "config.given.yaml").write_text(yaml.safe_dump(stored_config()))
    said = convert(tmp_path / "bare.pt", tmp_path / "given", "--config", tmp_path / "config.given.yaml")
    assert "Assumed" not in said
    assert contents(tmp_path / "given")["config.json"] == contents(tmp_path / "out")["config.json"]

    (tmp_path / "config.given.yaml").write_text("- 1")
    said = convert(tmp_path / "bare.pt", tmp_path / "no", "--config", tmp_path / "config.given.yaml", code=1)
    assert "is no configuration" in said


def funasr_folder(folder: Path, **changed: Any) -> Any:
    """A small random Emotion2vec of funasr in the files that its hub has; returns the network."""
    require("funasr", "pip install 'emotrove[sensevoice]'")
    from funasr.models.emotion2vec.model import Emotion2vec

    conf = stored_config(audio={"num_alibi_heads": 12, "model_depth": 2, "decoder": None})["model"]
    conf |= {
        "normalize": True,
        "start_drop_path_rate": 0.0,
        "end_drop_path_rate": 0.0,
        "dropout_input": 0.0,
        "average_top_k_layers": 2,
        "loss_beta": 0.0,
        "loss_scale": None,
        "end_of_block_targets": False,
    }
    conf["modalities"]["audio"] |= {
        "start_drop_path_rate": 0.0,
        "end_drop_path_rate": 0.0,
        "init_extra_token_zero": True,
        "local_grad_mult": 1.0,
        "ema_local_encoder": False,
    }
    torch.manual_seed(0)
    network = Emotion2vec(model_conf=conf, vocab_size=9).eval()
    folder.mkdir()
    prefixed = {
        name if name.startswith("proj.") else f"d2v_model.{name}": tensor
        for name, tensor in network.state_dict().items()
    }
    torch.save({"model": prefixed}, folder / "model.pt")
    (folder / "config.yaml").write_text(yaml.safe_dump({"model": "Emotion2vec", "model_conf": conf}))
    (folder / "tokens.txt").write_text("\n".join(PLUS_LABELS) + "\n")
    return network


def test_emotion2vec_plus_gives_what_funasr_gives(golden: Golden, tmp_path: Path) -> None:
    peer = funasr_folder(tmp_path / "plus")
    said = " ".join(convert(tmp_path / "plus", tmp_path / "out").split())
    assert "no decoder" in said
    assert f"Head: 9 classes: {', '.join(PLUS_LABELS)}." in said
    assert "--no-normalize" not in said
    network = load_emotion2vec_s(str(tmp_path / "out"))
    assert network.config.labels == list(PLUS_LABELS)
    assert network.config.normalize
    for clip in golden.clips:
        wav = golden[f"wav_{clip}"]
        with torch.no_grad():
            frames = peer.extract_features(torch.nn.functional.layer_norm(wav, wav.shape)[None], padding_mask=None)["x"]
            found = network(wav[None])
            torch.testing.assert_close(found.frames, frames, atol=1e-4, rtol=0)
            torch.testing.assert_close(found.logits, peer.proj(frames.mean(1)), atol=1e-4, rtol=0)
    convert(tmp_path / "plus" / "model.pt", tmp_path / "again")
    assert contents(tmp_path / "again") == contents(tmp_path / "out")

    (tmp_path / "plus" / "config.yaml").unlink()
    said = " ".join(convert(tmp_path / "plus", tmp_path / "bare").split())
    assert "Assumed: clips are normalised first, as in emotion2vec+" in said
    assert load_emotion2vec_s(str(tmp_path / "bare")).config.normalize


def test_a_head_needs_the_names_of_its_classes(tmp_path: Path) -> None:
    funasr_folder(tmp_path / "plus")
    (tmp_path / "plus" / "tokens.txt").write_text("a\nb\n")
    assert "the head has 9 classes, tokens.txt names 2" in convert(tmp_path / "plus", tmp_path / "out", code=1)
    (tmp_path / "plus" / "tokens.txt").unlink()
    said = convert(tmp_path / "plus", tmp_path / "out", code=1)
    assert "has a head of 9 classes" in said
    assert "tokens.txt" in said


def test_a_place_without_a_checkpoint_is_said(tmp_path: Path) -> None:
    assert "No such checkpoint" in convert(tmp_path / "none", tmp_path / "out", code=1)
    (tmp_path / "empty").mkdir()
    assert "has no .pt file" in convert(tmp_path / "empty", tmp_path / "out", code=1)
    for name in ("a.pt", "b.pt"):
        torch.save({}, tmp_path / "empty" / name)
    assert "has several: a.pt, b.pt. Name one of them" in convert(tmp_path / "empty", tmp_path / "out", code=1)


def test_an_object_store_is_no_place_to_convert(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = fairseq_file(tmp_path / "c.pt", small_weights(), stored_config())
    assert "s3://b/out is in an object store: convert on a local disk" in convert(path, "s3://b/out", code=1)
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]


def test_a_full_disk_leaves_nothing(tmp_path: Path, small_disk: Path) -> None:
    path = fairseq_file(tmp_path / "c.pt", small_weights(), stored_config())
    said = convert(path, small_disk / "out", code=1)
    assert "Could not write" in said
    assert not list(small_disk.iterdir())
