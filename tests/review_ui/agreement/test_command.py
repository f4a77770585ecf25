"""The command, as a person and as a script meet it."""

import json
import re
from pathlib import Path

import pytest
from click.testing import Result
from rich.cells import cell_len
from typer.testing import CliRunner

from manifests.review_folder import ReviewFolder
from manifests.run_folder import RunFolder
from review_ui.agreement.measure import measure
from review_ui.cli import app
from tests.review_ui.agreement.answered_run import Answered, answered_run
from tests.review_ui.agreement.test_measure import many_clips


def agree(*args: object) -> Result:
    return CliRunner().invoke(app, ["agree", *map(str, args)], catch_exceptions=False)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("agreement") / "loop"
    answered_run(folder, many_clips(300))
    return folder


def test_json_is_the_report(run: Path) -> None:
    result = agree(run, "--json", "--resamples", 100, "--seed", 3)
    assert result.exit_code == 0
    report = measure(ReviewFolder(RunFolder(str(run))), resamples=100, seed=3)
    assert json.loads(result.stdout) == json.loads(json.dumps(report.to_json()))
    assert agree(run, "--json", "--resamples", 100, "--seed", 3).stdout == result.stdout


def test_the_tables_fit_a_hundred_columns_and_cut_no_figure(run: Path) -> None:
    result = agree(run, "--resamples", 100)
    assert result.exit_code == 0
    report = measure(ReviewFolder(RunFolder(str(run))), resamples=100)
    lines = result.stdout.splitlines()
    assert f"Krippendorff's α {report.headline.figure.value:.3f}" in lines[1]
    assert "…" not in result.stdout and "nan" not in result.stdout.lower() and "None" not in result.stdout
    rows = [line for line in lines if re.search(r"\d  +\d|  raw  ", line)]
    assert len(rows) > 40
    assert max(cell_len(row) for row in rows) <= 100
    for title in ("Both experts", "One against the rest", "By language", "By pair", "By week", "People", "Machines"):
        assert any(line.startswith(title) for line in lines), title
    alpha = report.slices[0].answers.alpha
    low, high = (f"{end:.2f}".removeprefix("0") for end in (alpha.low or 0.0, alpha.high or 0.0))
    assert f"{alpha.value:.2f} [{low}, {high}]" in next(line for line in lines if line.startswith("all  "))


def test_before_the_first_answer(tmp_path: Path) -> None:
    answered_run(tmp_path / "run", [Answered(None, None)])
    result = agree(tmp_path / "run")
    assert result.exit_code == 0
    assert "no clip has both answers" in result.stdout and "1 by none" in result.stdout


def test_text_of_the_data_is_only_text(tmp_path: Path) -> None:
    nasty = "[bold]en[/bold]\x1b[31m\nx"
    people = ("[red]ann@x.org", "bob\x1b[2J@x.org")
    answered_run(tmp_path / "run", [Answered("sad", "sad", people=people, language=nasty, votes={"[u]v": "sad"})] * 2)
    result = agree(tmp_path / "run")
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    assert all(text in result.stdout for text in ("[bold]en[/bold] [31m x", "[red]ann", "[u]v"))


def test_two_people_of_one_name_are_told_apart(tmp_path: Path) -> None:
    answered_run(tmp_path / "run", [Answered("sad", "sad", people=("ann@one.org", "ann@two.org"))])
    shown = agree(tmp_path / "run").stdout
    assert "ann@one.org & ann@two.org" in shown


def test_nothing_to_measure(tmp_path: Path) -> None:
    result = agree(tmp_path)
    assert result.exit_code == 1 and "not a run folder" in result.stderr
    answered_run(tmp_path / "run", [])
    result = agree(tmp_path / "run")
    assert result.exit_code == 1 and f"emotrove review push {tmp_path / 'run'}" in result.stderr


def test_the_page_comes_beside_the_tables_or_the_json(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "agreement.html"
    shown = agree(run, "--resamples", 100, "--page", out)
    assert shown.exit_code == 0
    assert shown.stdout.endswith(f"{out}: open it in a browser\n") and "Both experts" in shown.stdout
    first = out.read_text("utf-8")
    assert "<title>Agreement: loop</title>" in first
    result = agree(run, "--resamples", 100, "--json", "--page", out)
    assert json.loads(result.stdout)["run"] == "loop" and f"{out}: open it" in result.stderr
    assert out.read_text("utf-8") == first


def test_a_page_that_cannot_be_written(run: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = agree(run, "--resamples", 100, "--page", tmp_path / "file" / "page.html")
    assert result.exit_code == 1 and "is a file, not a folder" in result.stderr


def test_too_few_resamples_are_refused(run: Path) -> None:
    assert agree(run, "--resamples", 10).exit_code == 2
