"""What is read from a checkpoint, and that nothing in one is ever run."""

import builtins
import os
import pickle
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model.emotion2vec_s.released.checkpoint import read_checkpoint
from model.emotion2vec_s.released.errors import CheckpointError, UnsafeCheckpoint
from tests.model.emotion2vec_s.released.released_files import (
    Payload,
    archive,
    fairseq_file,
    legacy_pickles,
    other_types,
    small_weights,
    stored_config,
    with_config_types,
)
from tests.packages import require

WEIGHTS = {"blocks.0.norm1.weight": torch.arange(3.0)}


@pytest.mark.parametrize("legacy", [False, True])
def test_weights_and_configuration_are_read(tmp_path: Path, legacy: bool) -> None:
    config, weights = stored_config(), small_weights()
    read = read_checkpoint(fairseq_file(tmp_path / "c.pt", weights, config, legacy=legacy, **other_types()))
    assert read.config == config
    assert list(read.weights) == list(weights)
    assert all(torch.equal(read.weights[name], weights[name]) for name in weights)


@pytest.mark.parametrize("legacy", [False, True])
def test_types_of_a_configuration_become_plain(tmp_path: Path, legacy: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    require("omegaconf", "pip install 'emotrove[sensevoice]'")
    config = stored_config()
    path = fairseq_file(tmp_path / "c.pt", WEIGHTS, with_config_types(config, monkeypatch), legacy=legacy)
    for name in ("omegaconf.dictconfig", "fairseq.dataclass.made_for_a_test"):
        assert name.encode() in path.read_bytes()
        monkeypatch.delitem(sys.modules, name)
    found = read_checkpoint(path).config
    assert found is not None
    assert found.pop("optimization") == {"modality": 1, "lr": [7.5e-5], "betas": [0.9, 0.99], "max_update": None}
    config["model"]["supported_modality"] = 1
    assert found == config


def test_a_bare_state_dict_has_no_configuration(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "c.pt")
    assert read_checkpoint(tmp_path / "c.pt").config is None


def test_old_arguments_are_a_configuration(tmp_path: Path) -> None:
    import argparse

    path = fairseq_file(tmp_path / "c.pt", WEIGHTS, None, args=argparse.Namespace(model={"depth": 2}))
    assert read_checkpoint(path).config == {"model": {"depth": 2}}


def payloads(marker: Path) -> dict[str, Any]:
    """Objects that do something when they are unpickled, by the name of what they ask for."""
    return {
        "posix.system": Payload(os.system, f"touch {marker}"),
        "builtins.eval": Payload(builtins.eval, f"open({str(marker)!r}, 'w')"),
        "builtins.getattr": Payload(getattr, {}, "pop"),
        "torch.serialization.load": Payload(torch.load, str(marker)),
        "pathlib.Path": Payload(Path, str(marker)),
        "numpy.*_reconstruct": np.array([Payload(os.system, f"touch {marker}")], dtype=object),
    }


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("where", ["model", "cfg", "deep in cfg", "extra_state"])
@pytest.mark.parametrize("what", payloads(Path()))
def test_a_file_that_asks_for_code_is_refused_by_name(tmp_path: Path, what: str, where: str, legacy: bool) -> None:
    marker = tmp_path / "ran"
    payload = payloads(marker)[what]
    config: dict[str, Any] = stored_config()
    weights: dict[str, Any] = dict(WEIGHTS)
    more: dict[str, Any] = {}
    if where == "model":
        weights["x"] = payload
    elif where == "cfg":
        config = payload
    elif where == "deep in cfg":
        config["model"]["modalities"]["audio"]["decoder"]["x"] = [{"y": payload}]
    else:
        more["extra_state"] = {"metrics": [payload]}
    path = fairseq_file(tmp_path / "c.pt", weights, config, legacy=legacy, **more)
    with pytest.raises(UnsafeCheckpoint, match=f"refused, nothing in it was run. It asks for .*{what}"):
        read_checkpoint(path)
    assert not marker.exists()


@pytest.mark.parametrize("at", range(5))
def test_every_pickle_of_the_old_format_is_watched(tmp_path: Path, at: int) -> None:
    marker = tmp_path / "ran"
    path = legacy_pickles(tmp_path / "c.pt", at=at, payload=Payload(os.system, f"touch {marker}"))
    with pytest.raises(UnsafeCheckpoint, match="asks for posix.system"):
        read_checkpoint(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("pickled", "named"),
    [
        (b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00id\x85R.", "posix.system"),
        (b"\x80\x02(cposix\nsystem\nX\x02\x00\x00\x00ido.", "posix.system"),  # OBJ
        (b"(S'id'\nios\nsystem\n.", "os.system"),  # INST
        (b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x02id\x85R.", "posix.system"),  # STACK_GLOBAL
        (b"\x80\x02\x82\x01.", "extension 1"),
        (b"\x80\x02c__builtin__\nexec\n.", "builtins.exec"),  # by its name in Python 2
        (b"\x80\x02ccopy_reg\n_reconstructor\n.", "copyreg._reconstructor"),
        (b"\x80\x02cfairseq.utils\nimport_user_module\n.", "fairseq.utils.import_user_module"),
        (b"\x80\x02comegaconf\x1b[31m\nX\n.", r"omegaconf\\x1b\[31m.X"),
    ],
)
def test_each_way_to_name_something_is_known(tmp_path: Path, pickled: bytes, named: str) -> None:
    path = archive(tmp_path / "c.pt", [("c/data.pkl", pickled), ("c/version", b"3\n")])
    with pytest.raises(UnsafeCheckpoint, match=f"asks for {named}"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    "pickled",
    [
        # What is admitted cannot be used for more: set an attribute of a function, …
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\nN}X\x08\x00\x00\x00__name__K\x01s\x86b.",
        # … call a stand-in's method, …
        b"\x80\x02comegaconf.dictconfig\nDictConfig\n)\x81X\x05\x00\x00\x00stateR.",
        # … or put items into one.
        b"\x80\x02comegaconf.dictconfig\nDictConfig\n)\x81K\x01K\x02s.",
    ],
)
def test_what_is_admitted_can_only_be_built(tmp_path: Path, pickled: bytes) -> None:
    path = archive(tmp_path / "c.pt", [("c/data.pkl", pickled), ("c/version", b"3\n")])
    with pytest.raises(CheckpointError, match="is damaged, or no checkpoint") as refused:
        read_checkpoint(path)
    assert "weights_only" not in str(refused.value)  # torch's own message says how to run the file all the same


@pytest.mark.parametrize("kind", [bytearray, torch.Tensor, torch.UntypedStorage])
def test_no_memory_is_taken_for_a_number_in_the_file(tmp_path: Path, kind: Any) -> None:
    path = fairseq_file(tmp_path / "c.pt", WEIGHTS, {"x": Payload(kind, 1 << 10)})
    with pytest.raises(UnsafeCheckpoint, match=f"asks for {kind.__module__}.{kind.__name__}"):
        read_checkpoint(path)


PICKLED = pickle.dumps({"a": 1}, protocol=2)


@pytest.mark.parametrize(
    ("entries", "compression", "why"),
    [
        ([("c/data.pkl", PICKLED), ("c/../../../etc/cron.d/x", b"")], zipfile.ZIP_STORED, "paths that lead out of it"),
        ([("c/data.pkl", PICKLED), ("/etc/passwd", b"")], zipfile.ZIP_STORED, "out of it: /etc/passwd"),
        ([("c/data.pkl", PICKLED), ("c/data.pkl", PICKLED)], zipfile.ZIP_STORED, "two entries of the same name"),
        ([("c/data.pkl", PICKLED)], zipfile.ZIP_DEFLATED, "compressed"),
        ([("word/document.xml", b"")], zipfile.ZIP_STORED, "no data.pkl"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_an_archive_of_another_kind_is_refused(
    tmp_path: Path, entries: list[tuple[str, bytes]], compression: int, why: str
) -> None:
    with pytest.raises(CheckpointError, match=why):
        read_checkpoint(archive(tmp_path / "c.pt", entries, compression))


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("kept", [0.02, 0.5, 0.999])
def test_a_truncated_file_is_damaged(tmp_path: Path, kept: float, legacy: bool) -> None:
    path = fairseq_file(tmp_path / "c.pt", small_weights(), stored_config(), legacy=legacy)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(CheckpointError, match=r"c\.pt is (damaged|no checkpoint)"):
        read_checkpoint(path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ([1, 2], "holds a list"),
        ({"model": {"a": 1}}, "holds no tensors"),
        ({}, "holds no tensors"),
        ({"model": WEIGHTS, "cfg": [1]}, "configuration is a list"),
        ({"model": {"a\x1b[2J": torch.zeros(1)}}, r"has the name 'a\\x1b\[2J'"),
        ({"model": {**WEIGHTS, 7: torch.zeros(1)}}, "has the name 7"),
    ],
)
def test_what_is_no_network_is_said(tmp_path: Path, content: Any, why: str) -> None:
    torch.save(content, tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match=why):
        read_checkpoint(tmp_path / "c.pt")


def test_a_configuration_without_end_is_damaged(tmp_path: Path) -> None:
    nested: list[Any] = []
    nested.append(nested)
    torch.save({"model": WEIGHTS, "cfg": {"x": nested}}, tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match="nested without end"):
        read_checkpoint(tmp_path / "c.pt")


def test_a_small_file_with_an_enormous_configuration_is_refused(tmp_path: Path) -> None:
    laughs: Any = ["x"] * 10
    for _ in range(30):
        laughs = [laughs] * 10  # ten times the same one
    torch.save({"model": WEIGHTS, "cfg": {"x": laughs}}, tmp_path / "c.pt")
    assert (tmp_path / "c.pt").stat().st_size < 5000
    with pytest.raises(CheckpointError, match=r"c\.pt is damaged.*: its configuration has more than 100000 parts"):
        read_checkpoint(tmp_path / "c.pt")


def test_a_key_of_a_configuration_is_a_single_value(tmp_path: Path) -> None:
    torch.save({"model": WEIGHTS, "cfg": {("x", "y"): 1}}, tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match="a key of its configuration is a list"):
        read_checkpoint(tmp_path / "c.pt")


@given(
    legacy=st.booleans(),
    changes=st.lists(st.tuples(st.integers(0, 9000), st.integers(0, 255)), min_size=1, max_size=5),
)
@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_file_with_wrong_bytes_is_read_or_refused(
    tmp_path: Path, legacy: bool, changes: list[tuple[int, int]]
) -> None:
    path = tmp_path / f"{legacy}.pt"
    if not path.exists():
        fairseq_file(path, WEIGHTS, stored_config(), legacy=legacy)
    content = bytearray(path.read_bytes())
    for place, byte in changes:
        content[place % len(content)] = byte
    (tmp_path / "c.pt").write_bytes(content)
    try:
        assert read_checkpoint(tmp_path / "c.pt").weights
    except CheckpointError as error:
        assert str(tmp_path / "c.pt") in str(error)


def test_other_files_are_no_checkpoint(tmp_path: Path) -> None:
    (tmp_path / "c.pt").write_text("weights")
    with pytest.raises(CheckpointError, match="neither of the formats"):
        read_checkpoint(tmp_path / "c.pt")
    with pytest.raises(CheckpointError, match="cannot be read: No such file"):
        read_checkpoint(tmp_path / "none.pt")
