"""Croissant metadata, judged by its reference implementation."""

import json
import subprocess
import sys
from pathlib import Path

import mlcroissant
import pytest

from manifests.croissant import croissant
from tests.manifests.small_release import SPLITS, about, write_release


def test_the_reference_implementation_reads_the_records(tmp_path: Path) -> None:
    rows = write_release(tmp_path)
    dataset = mlcroissant.Dataset(jsonld=tmp_path / "croissant.json")
    assert dataset.metadata.ctx.issues.report().strip() == ""
    assert dataset.metadata.name == "emo-v1" and dataset.metadata.version == "1.0.0"
    assert dataset.metadata.license == ["https://creativecommons.org/licenses/by-nc/4.0/"]
    parts = (("clips", rows), ("train", rows[:6]), ("validation", rows[6:9]), ("test", rows[9:]))
    for name, expected in parts:
        found = [{k.split("/")[1]: v.decode() for k, v in row.items()} for row in dataset.records(name)]
        assert found == expected
    assert [part.id for part in dataset.metadata.file_sets] == ["wav"]
    assert len(dataset.metadata.file_objects) == 1 + len(SPLITS)


def test_its_command_finds_nothing_wrong(tmp_path: Path) -> None:
    write_release(tmp_path)
    command = Path(sys.executable).with_name("mlcroissant")
    done = subprocess.run(
        [command, "validate", "--jsonld", tmp_path / "croissant.json"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "Done." in done.stderr
    assert "WARNING" not in done.stderr and "warning" not in done.stderr, done.stderr


def test_a_changed_table_is_noticed(tmp_path: Path) -> None:
    write_release(tmp_path)
    with (tmp_path / "emo-v1.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(Exception, match=r"Download\(emo-v1.jsonl\)") as refused:
        list(mlcroissant.Dataset(jsonld=tmp_path / "croissant.json").records("clips"))
    assert "Hash of downloaded file" in str(refused.value.__cause__)


def test_the_metadata_do_not_depend_on_place_or_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_release(tmp_path / name)
    assert (tmp_path / "a" / "croissant.json").read_bytes() == (tmp_path / "b" / "croissant.json").read_bytes()


def test_what_is_not_said_is_left_out(tmp_path: Path) -> None:
    write_release(tmp_path)
    bare = about(published=None, citation=None, url=None, creators=(), licenses={"unknown": 3}, languages=("en", "?"))
    found = croissant(bare, tmp_path, {"clips": "emo-v1.jsonl"})
    assert not {"datePublished", "citeAs", "url", "creator"} & set(found)
    assert found["license"] == ["unknown"] and found["inLanguage"] == ["en"]
    (tmp_path / "croissant.json").write_text(json.dumps(found), "utf-8")
    mlcroissant.Dataset(jsonld=tmp_path / "croissant.json")  # raises where something that must be there is missing
