"""The documentation is true: its shell blocks run, and every command is in it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *(page for room in ("docs", "deploy") for page in sorted((ROOT / room).glob("*.md")))]
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path) -> list[str]:
    """The blocks marked ``sh``; those marked ``console`` need a clone or data of the reader's."""
    return _BLOCK.findall(page.read_text("utf-8"))


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("page", [p for p in PAGES if blocks(p)], ids=lambda page: page.name)
def test_shell_blocks_run(page: Path, tmp_path: Path) -> None:
    bin_folder = Path(sys.executable).parent
    env = {**os.environ, "PATH": f"{bin_folder}:{os.environ['PATH']}"}
    for block in blocks(page):
        done = subprocess.run(
            ["bash", "-euc", block], cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{block}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def commands() -> Iterator[str]:
    """Every command line that the tool answers to, e.g. ``train seed``."""
    from pipeline.cli import app

    root = typer.main.get_command(app)
    for name, command in root.commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        yield from ([name] if inner is None else [f"{name} {sub}" for sub in inner])


def test_every_command_is_documented_with_an_example() -> None:
    text = (ROOT / "docs" / "commands.md").read_text("utf-8")
    for command in commands():
        assert f"\n## {command}\n" in text, f"docs/commands.md has no section for '{command}'"
        section = text.split(f"\n## {command}\n")[1].split("\n## ")[0]
        assert f"emotrove {command} " in section, f"the section of '{command}' has no example"


def test_every_reason_is_documented() -> None:
    text = (ROOT / "docs" / "outcomes.md").read_text("utf-8")
    code = "\n".join(
        path.read_text("utf-8")
        for room in ("manifests", "pipeline", "annotators")
        for path in (ROOT / room).glob("*.py")
    )
    reasons = set(re.findall(r"(?:fail|reject)\(\s*\w+,\s*(?:\"\w+\"|STAGE|annotator\.name),\s*\"(\w+)\"", code))
    reasons |= set(re.findall(r"(?:MetadataError|Rejection)\(\s*\"(\w+)\"", code))
    reasons |= set(re.findall(r"error = \(\"(\w+)\"", code))
    assert len(reasons) > 15
    missing = sorted(reason for reason in reasons if f"`{reason}`" not in text)
    assert not missing, f"docs/outcomes.md lacks {missing}"


def test_links_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text("utf-8")):
            assert target.startswith("http") or (page.parent / target).exists(), f"{page.name}: {target}"


def test_help_answers_without_heavy_imports() -> None:
    probe = (
        "import sys; sys.argv = ['emotrove', '--help']\n"
        "try:\n    from pipeline.cli import main; main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'ray', 'pyarrow', 'numpy', 'pydantic', 'label_studio_sdk'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_flag_of_an_answer_is_documented() -> None:
    from manifests.review import FLAGS, STATUSES

    text = (ROOT / "docs" / "review.md").read_text("utf-8")
    for name in (*FLAGS, *STATUSES):
        assert f"| `{name}` |" in text, f"docs/review.md lacks {name}"
