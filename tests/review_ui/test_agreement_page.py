"""The lead's page: the figures of the report and no others, whole, escaped, for any report."""

import html
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from manifests.bootstrap import Figure
from manifests.errors import StorageError
from manifests.review import FLAGS
from review_ui.agreement.report import Coefficients, Report, Share
from review_ui.agreement_page import write_page
from review_ui.agreement_page.headline import meaning
from review_ui.agreement_page.words import Notes
from tests.html_text import Page
from tests.review_ui.agreement.answered_run import Answered
from tests.review_ui.agreement_reports import EMOTIONS, report_of, some_report, text_of

ATTACK = '<script>alert(1)</script><img src=x onerror="alert(2)">'


def rows(text: str, anchor: str) -> list[list[str]]:
    """The cells of all lines of the tables of a section, without the signs of the notes and without what lies below a name."""
    part = re.search(rf'<section id="{anchor}">(.*?)</section>', text, re.DOTALL)
    assert part is not None
    plain = re.sub(r'<sup>\w+</sup>|<span class="beside.*?</span>|<svg.*?</svg>', "", part[1], flags=re.DOTALL)
    return [
        [html.unescape(re.sub("<.*?>", "", cell)).strip() for cell in re.findall(r"<t[dh]\b.*?>(.*?)</t[dh]>", row)]
        for row in re.findall(r"<tr>(.*?)</tr>", plain, re.DOTALL)
    ]


def said(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}".replace("-0.00", "0.00").replace("-", "−")


def figure(found: Figure) -> str:
    return said(found.value) + (f" [{said(found.low)}, {said(found.high)}]" if found.low is not None else "")


def figures(found: Coefficients) -> list[str]:
    return [figure(found.raw), figure(found.kappa), figure(found.alpha), figure(found.ac1)]


def percent(found: Share) -> str:
    return "–" if found.value is None else f"{found.value:.0%} [{found.low:.0%}, {found.high:.0%}]"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return some_report(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def text(report: Report, tmp_path_factory: pytest.TempPathFactory) -> str:
    return text_of(report, tmp_path_factory.mktemp("page"))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Report:
    return report_of(tmp_path_factory.mktemp("empty"), [Answered(None, None)])


def test_headline_and_progress_are_the_reports(report: Report, text: str) -> None:
    seen = Page(text).seen
    counts, quoted = report.counts, report.headline
    assert quoted.figure.value is not None
    assert f"α = {said(quoted.figure.value)}" in seen
    assert f"95% interval {said(quoted.figure.low)} to {said(quoted.figure.high)}" in seen
    assert f"{quoted.n} clips from" in seen
    same = sum(report.confusion.counts[k][k] for k in range(len(EMOTIONS)))
    both = sum(map(sum, report.confusion.counts))
    assert f"{same / both:.1%} verified: both gave the same emotion ({same} of {both}, gold apart)" in seen
    for n, what in (
        (sum(counts.pushed.values()), "clips pushed"),
        (counts.both, "answered by both"),
        (counts.one, "answered by one"),
        (counts.none, "not answered"),
        (counts.answers, f"answers ({counts.flagged} flagged)"),
    ):
        assert n > 0
        assert f"{n} {what}" in seen
    assert "Internal: this page names people by e-mail." in seen


def test_every_slice_language_and_class_is_there_with_its_interval_and_n(report: Report, text: str) -> None:
    shown = rows(text, "slices")
    parts: list[tuple[str, Any]] = [(one.name.replace("_", " "), one) for one in report.slices]
    parts += [(one.language or "unknown", one) for one in report.languages]
    assert len(parts) == 6
    for name, one in parts:
        for found in (one.answers, one.emotions):
            assert [name, str(found.n), *figures(found)] in shown
    whole = report.slice("all")
    assert whole is not None
    words = ["unsure", "more than one speaker", "bad audio", "not speech"]
    for name, klass in zip([*EMOTIONS, *words], whole.classes, strict=True):
        assert [name, str(klass.either), str(klass.both), *figures(klass.figures)] in rows(text, "classes")
    control, selected = report.slice("control"), report.slice("selected")
    assert control is not None and selected is not None
    for a, b in zip(control.classes, selected.classes, strict=True):
        alphas = [figure(a.figures.alpha), figure(b.figures.alpha)]
        assert [str(a.either), str(b.either), *alphas] in [row[1:] for row in rows(text, "classes")]


def test_confusion_has_counts_and_shares_of_the_row(report: Report, tmp_path: Path) -> None:
    table = report.confusion.counts
    shown = [row[1:] for row in rows(text_of(report, tmp_path), "confusion")[1:]]
    assert shown[:-1] == [[*(f"{n}{n / sum(row):.0%}" if n else "0" for n in row), str(sum(row))] for row in table]
    assert shown[-1] == [*(str(sum(column)) for column in zip(*table, strict=True)), str(sum(map(sum, table)))]
    few = ((999, 1, *[0] * 9), *table[1:])
    text = text_of(replace(report, confusion=replace(report.confusion, counts=few)), tmp_path)
    assert rows(text, "confusion")[1][1:3] == ["999>99%", "1<1%"]


def test_people_pairs_weeks_and_machines_are_the_reports(report: Report, text: str) -> None:
    people = rows(text, "people")[1:]
    assert people == [
        [
            one.annotator,
            *map(str, (one.answers, one.counted, one.escapes)),
            percent(one.gold),
            f"{one.seconds_per_clip:.1f}",
            f"{one.seconds_per_second:.1f}",
            f"too_fast {one.flags['too_fast']}",
        ]
        for one in report.people
    ]
    assert re.findall(r'class="beside">(\d+ of \d+)<', text) == [
        f"{one.gold.hits} of {one.gold.n}" for one in report.people
    ]
    assert rows(text, "pairs")[1:] == [
        ["".join(one.people), str(one.answers.n), *figures(one.answers)] for one in report.pairs
    ]
    assert rows(text, "weeks")[1:] == [
        [one.week, one.monday, str(one.answers.n), *figures(one.answers)] for one in report.weeks
    ]
    assert len(report.pairs) == len(report.weeks) == 3
    machines = rows(text, "machines")
    for one in report.voters:
        name = one.voter or "consensus of all voters"
        if one.expert is None:
            assert [name, str(one.figures.n), *figures(one.figures)] in machines
        else:
            by_expert = next(row for row in machines if row[0] == one.expert)
            assert f"{one.figures.raw.value:.0%} of {one.figures.n}" in by_expert
    assert ["all voters", str(report.among_voters.n), *figures(report.among_voters)] in machines


def test_flags_are_explained_and_escapes_counted(report: Report, text: str) -> None:
    assert rows(text, "flags")[1:] == [[flag, FLAGS[flag], str(n)] for flag, n in report.counts.flags.items()]
    counted = report.counts.answers - report.counts.flagged
    assert [row[1:] for row in rows(text, "escapes")[1:]] == [
        [str(n), f"{n / counted:.1%}"] for n in report.counts.escapes.values()
    ]


def test_says_how_it_was_computed(report: Report, text: str) -> None:
    seen = Page(text).seen
    assert f"100 resamples, seed {report.seed}" in seen
    assert f"Report version {report.version}, emotrove 0." in seen
    assert "docs/agreement.md" in seen


def test_nothing_is_loaded_from_elsewhere_and_nothing_runs(text: str) -> None:
    page = Page(text)
    assert page.tags["script"] == page.tags["link"] == page.tags["img"] == page.tags["iframe"] == 0
    assert ("meta", "http-equiv", "Content-Security-Policy") in page.attributes
    policy = next(value for tag, name, value in page.attributes if (tag, name) == ("meta", "content") and value)
    assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'")
    assert "media-src" not in policy
    references = [value or "" for _, name, value in page.attributes if name in ("src", "href", "xlink:href", "data")]
    assert references
    assert all(value.startswith("#") for value in references)
    assert {value[1:] for value in references} <= set(page.ids)
    assert max(page.ids.values()) == 1
    assert "url(" not in text.replace("url(#", "")
    assert not re.findall(r"https?://(?!www\.w3\.org/)", text)


def test_every_plot_has_words(text: str) -> None:
    for svg in re.findall(r"<svg[^>]*>", text):
        assert 'aria-hidden="true"' in svg or ('role="img"' in svg and 'aria-label="' in svg)
    # A strip that a reader of the page cannot see has its number in the same cell.
    for cell in re.findall(r"<td>(?:(?!</td>).)*?<svg.*?</td>", text):
        assert re.search(r'<span class="value">[−\d]', cell)


def test_chinese_stays_chinese(text: str) -> None:
    assert "李雷@例子.example" in text.replace("<wbr>", "")
    assert '<span class="beside" lang="zh">恐惧</span>' in text


def test_the_same_report_gives_the_same_page(report: Report, text: str, tmp_path: Path) -> None:
    assert text_of(report, tmp_path) == text


def test_a_review_without_answers(empty: Report, tmp_path: Path) -> None:
    text = text_of(empty, tmp_path)
    seen = Page(text).seen
    assert "α = – " in seen
    assert "No clip has an answer of both experts yet: there is no agreement to measure." in text
    assert "Nobody has answered yet." in text
    assert "0.00" not in seen
    assert "<svg role" not in text


def test_undefined_figures_are_dashes_with_their_note(tmp_path: Path) -> None:
    clips = [Answered("sad", "sad", source=f"{i}", votes={"seed": "sad"}, machine="sad") for i in range(30)]
    report = report_of(tmp_path, clips)
    text = text_of(report, tmp_path)
    assert ["all", "30", "1.00 [1.00, 1.00]", "–", "–", "1.00 [1.00, 1.00]"] in rows(text, "slices")
    seen = Page(text).seen
    assert "not defined: every answer is the same" in seen
    assert "No figure can be given: every answer is the same." in seen
    assert "α is not defined in any week" in seen
    assert ["2026-W03", "2026-01-12", "30", "1.00 [1.00, 1.00]", "–", "–", "1.00 [1.00, 1.00]"] in rows(text, "weeks")


def test_one_clip_alone(tmp_path: Path) -> None:
    text = text_of(report_of(tmp_path, [Answered("sad", "happy")]), tmp_path)
    assert "1 clip from 1 source" in text
    assert "Too few clips: 1 clip" in Page(text).seen
    assert "no interval: all clips come from one source" in text


@pytest.mark.parametrize(
    "hostile",
    [
        {"people": (ATTACK, "bob@example.org")},
        {"people": ("李雷 \x00\x1b[31m \u202e", '"><script>')},
        {"language": ATTACK},
        {"language": "$\\frac{x$"},
        {"votes": {ATTACK: "sad"}},
        {"source": ATTACK},
    ],
    ids=lambda hostile: "+".join(hostile),
)
@pytest.mark.filterwarnings("error")
def test_text_of_the_data_stays_text(hostile: dict[str, Any], tmp_path: Path) -> None:
    clips = [
        Answered("sad", EMOTIONS[i % 7], arm=arm, gold="happy", **hostile)
        for i, arm in enumerate(["gold", "control"] * 15)
    ]
    page = Page(text_of(report_of(tmp_path, clips), tmp_path))
    assert page.tags["script"] == page.tags["img"] == 0
    assert not [name for _, name, _ in page.attributes if name.startswith("on")]
    if ATTACK in str(hostile) and "source" not in hostile:
        assert ATTACK in page.seen


def test_names_in_the_report_stay_text(report: Report, tmp_path: Path) -> None:
    """Categories, flags and the run's name cannot come from data today; the page does not rely on that."""
    report = replace(
        report,
        run=ATTACK,
        categories=(ATTACK, *report.categories[1:]),
        confusion=replace(report.confusion, categories=(ATTACK, *report.categories[1:])),
        slices=tuple(
            replace(one, classes=(replace(one.classes[0], name=ATTACK), *one.classes[1:])) for one in report.slices
        ),
        counts=replace(report.counts, flags={ATTACK: 1}, escapes={ATTACK: 1}),
        people=tuple(replace(one, flags={ATTACK: 1}) for one in report.people),
        headline=replace(report.headline, figure=Figure(None, None, None, 0, ATTACK)),
    )
    page = Page(text_of(report, tmp_path))
    assert page.tags["script"] == page.tags["img"] == 0
    assert page.seen.count(ATTACK) >= 8


def test_a_place_that_cannot_be_written_is_named(report: Report, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="agreement.html: is a file, not a folder"):
        write_page(report, tmp_path / "file" / "agreement.html")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (1.0, "never disagree"),
        (0.62, "disagree 62% less often than"),
        (0.0, "disagree as often as"),
        (-0.2, "disagree more often than"),
        (0.8, "this one is reliable"),
        (0.7, "this one is good for tentative conclusions"),
        (0.66, "this one is too low"),
    ],
)
def test_alpha_in_plain_words(value: float, words: str) -> None:
    assert words in meaning(Figure(value, None, None, 0, None))


def test_notes_that_differ_in_numbers_share_a_sign() -> None:
    notes = Notes()
    marks = [notes.mark(note) for note in ("3 of 500 resamples", "few", "17 of 500 resamples", None, "few")]
    assert marks[0] == marks[2] != marks[1] == marks[4]
    assert marks[3] == ""
    assert "3–17 of 500 resamples" in notes.html()
