"""What the maker of a release says of it."""

import json
from pathlib import Path

import pytest

from manifests.errors import ConfigError, InputError
from pipeline.curation import curate_run
from pipeline.release.about import About, read_about
from tests.pipeline.command import cli
from tests.pipeline.reviewed_run import heard, reviewed_run

ABOUT = """
title: "Emo: one"
version: 1.2.0
published: 2026-03-01
creators: [A Lab]
citation: "@misc{emo}"
contact: takedown@example.org
"""


def test_its_words_reach_the_card_and_the_metadata(tmp_path: Path) -> None:
    run = reviewed_run(tmp_path, [heard("a", "sad", "sad")])
    curate_run(run)
    (tmp_path / "about.yaml").write_text(ABOUT, "utf-8")
    done = cli("export", run, tmp_path / "emo", "--verified", "--about", tmp_path / "about.yaml", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["version"] == "1.2.0"
    card = (tmp_path / "emo" / "README.md").read_text("utf-8")
    assert "# Emo: one" in card and "takedown@example.org" in card and "@misc{emo}" in card
    metadata = json.loads((tmp_path / "emo" / "croissant.json").read_text("utf-8"))
    assert (metadata["version"], metadata["datePublished"], metadata["citeAs"]) == ("1.2.0", "2026-03-01", "@misc{emo}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("titel: x", "titel: unknown key. The keys are title, description, version"),
        ("published: soon", "published: .*got 'soon'"),
        ("version: 1.0", "version: Input should be a valid string"),
        ("creators: A Lab", "creators: Input should be a valid list .got 'A Lab'"),
        ("- a", "write one key on each line"),
        ("", "write one key on each line"),
        ("a: [", "is not YAML"),
    ],
)
def test_what_is_wrong_with_the_file_is_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "about.yaml"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=message):
        read_about(str(path))
    with pytest.raises(InputError, match=r"none\.yaml cannot be read"):
        read_about(str(tmp_path / "none.yaml"))
    with pytest.raises(ConfigError, match="is not a version"):
        About(version="one").publication("emo", {}, ())
