"""The lead's page in Chromium: nothing is loaded, cut, or too small to read, on a laptop and on paper."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from review_ui.agreement.report import Report
from review_ui.agreement_page import write_page
from review_ui.agreement_page.parts import PAIRS
from tests.packages import require_program
from tests.review_ui.agreement.answered_run import Answered
from tests.review_ui.agreement_reports import answered, report_of, some_report


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return some_report(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return report_of(tmp_path_factory.mktemp("empty"), [Answered(None, None)])


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    require_program("chromium", "apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """20 people with many flags, 6 languages, 30 weeks."""
    people = [f"person-{i:02d}.{'long-' * (i % 4)}name@annotation-services.example" for i in range(20)]
    languages = ["en", "zh", "de", "fr", "中文 普通话 很长的名字", None]
    report = report_of(tmp_path_factory.mktemp("large"), answered(1500, people, languages, weeks=30))
    flags = {"same_person": 1234, "adjudicator_answered": 12, "too_fast": 345}
    return replace(report, people=tuple(replace(one, answers=23_456, flags=flags) for one in report.people))


@pytest.mark.browser
@pytest.mark.parametrize("width", [1366, 794])
@pytest.mark.parametrize("which", ["report", "large", "empty"])
def test_fits_and_loads_without_a_complaint(
    which: str, width: int, chromium: Any, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    write_page(request.getfixturevalue(which), tmp_path / "agreement.html")
    url = (tmp_path / "agreement.html").as_uri()
    page = chromium.new_page(viewport={"width": width, "height": 800})
    complaints: list[str] = []
    requested: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda one: requested.append(one.url))
    page.goto(url)
    assert requested == [url]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    # What is cut or hangs out of its box: tables, cells, cards.
    assert (
        page.evaluate(
            "[...document.querySelectorAll('.table, td, th, .card, p, li')]"
            ".filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.innerText)"
        )
        == []
    )
    smallest = page.evaluate(
        "Math.min(...[...document.querySelectorAll('main *')].filter(e => e.innerText)"
        ".map(e => parseFloat(getComputedStyle(e).fontSize)))"
    )
    assert smallest >= 10
    assert complaints == []
    page.close()


@pytest.mark.browser
def test_no_row_and_no_plot_is_cut_on_paper(large: Report, chromium: Any, tmp_path: Path) -> None:
    write_page(large, tmp_path / "agreement.html")
    page = chromium.new_page()
    page.goto((tmp_path / "agreement.html").as_uri())
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 694, "height": 1000})  # A4 without its margins
    assert page.evaluate("document.documentElement.scrollWidth") <= 694
    cut = "e => [...document.querySelectorAll(e)].filter(e => getComputedStyle(e).breakInside !== 'avoid').length"
    for kind in ("tr", "figure", "#confusion", ".card"):
        assert page.evaluate(cut, kind) == 0
    assert len(large.pairs) > PAIRS
    assert f"… and {len(large.pairs) - PAIRS:,} pairs with fewer clips" in page.inner_text("#pairs")
    assert page.pdf(prefer_css_page_size=True)[:5] == b"%PDF-"
    page.close()
