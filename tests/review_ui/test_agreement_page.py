"""The lead's page: the figures of the report and no others, whole, escaped, for any report; and how Chromium lays it out."""

import html
import random
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from manifests.emotions import CLASSES
from manifests.errors import StorageError
from manifests.review import ESCAPES, FLAGS
from review_ui.agreement.measure import measure
from review_ui.agreement.report import Coefficients, Figure, Report, Share
from review_ui.agreement_page import write_page
from review_ui.agreement_page.cautions import cautions
from review_ui.agreement_page.headline import meaning
from review_ui.agreement_page.parts import PAIRS
from review_ui.agreement_page.words import Notes
from tests.html_text import Page
from tests.packages import require_program
from tests.review_ui.agreement.answered_run import Answered, answered_run

ATTACK = '<script>alert(1)</script><img src=x onerror="alert(2)">'
EMOTIONS = [str(emotion) for emotion in CLASSES]
LONG_NAME = "maria.del-carmen.fernandez-gonzalez@speech-department.university.example"


def answered(
    n: int, people: list[str], languages: list[str | None], weeks: int = 1, seed: int = 0, other: float = 0.3
) -> list[Answered]:
    """Clips of all arms whose two experts, drawn for each, hear something else in this share of the cases."""
    chance = random.Random(seed)

    def heard(emotion: str) -> str:
        if chance.random() < 0.06:
            return chance.choice(ESCAPES)
        return chance.choice(EMOTIONS) if chance.random() < other else emotion

    clips = []
    for i in range(n):
        emotion, pair = chance.choice(EMOTIONS), chance.sample(people, 2)
        arm = chance.choice(["control", "selected", "selected", "gold"])
        clips.append(
            Answered(
                heard(emotion) if i % 20 else None,
                heard(emotion) if i % 10 else None,
                people=(pair[0], pair[1]),
                source=f"source {chance.randrange(1 + n // 3)}",
                arm=arm,
                language=chance.choice(languages),
                gold=emotion if arm == "gold" else None,
                machine=emotion,
                votes={"seed": emotion, "sensevoice": chance.choice(EMOTIONS)},
                lead_time_s=chance.choice([2.0, 4.0, 6.0, 9.0]),
                days=7 * (i * weeks // n),
            )
        )
    return clips


def report_of(folder: Path, clips: list[Answered]) -> Report:
    return measure(answered_run(folder, clips), resamples=100)


def text_of(report: Report, folder: Path) -> str:
    write_page(report, folder / "agreement.html")
    return (folder / "agreement.html").read_text("utf-8")


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
    people = ["anna.lindqvist@example.org", "李雷@例子.example", LONG_NAME]
    return report_of(tmp_path_factory.mktemp("run"), answered(300, people, ["en", "zh", None], weeks=3))


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


def with_alpha(report: Report, part: str, value: float, low: float, high: float, n: int = 200) -> Report:
    """The report with another alpha of a slice, which is also the headline where it is that slice."""
    found = Figure(value, low, high, 0, None)
    slices = tuple(
        replace(one, answers=replace(one.answers, n=n, alpha=found)) if one.name == part else one
        for one in report.slices
    )
    quoted = replace(report.headline, slice="control", figure=found, n=n) if part == "control" else report.headline
    return replace(report, slices=slices, headline=quoted)


@pytest.fixture(scope="module")
def sound(report: Report) -> Report:
    """A report against which nothing speaks."""
    report = with_alpha(with_alpha(report, "control", 0.7, 0.6, 0.8), "selected", 0.65, 0.6, 0.7)
    defined = Figure(0.7, 0.6, 0.8, 0, None)
    whole = Coefficients(200, 100, defined, defined, defined, defined)
    return replace(
        report,
        slices=tuple(replace(one, emotions=whole) for one in report.slices),
        languages=tuple(replace(one, answers=whole, emotions=whole) for one in report.languages),
        people=tuple(replace(one, gold=Share(20, 19, 0.95, 0.76, 0.99)) for one in report.people),
        counts=replace(report.counts, flagged=0, flags=dict.fromkeys(FLAGS, 0)),
        weeks=tuple(replace(one, answers=whole) for one in report.weeks),
    )


def test_nothing_speaks_against_a_sound_report(sound: Report, tmp_path: Path) -> None:
    assert cautions(sound) == []
    assert "Nothing speaks against quoting it" in text_of(sound, tmp_path)


def test_each_caution_is_given(sound: Report) -> None:
    def only(report: Report) -> str:
        found = cautions(report)
        assert len(found) == 1, found
        return found[0]

    assert "Too few clips: 99 clips" in only(replace(sound, headline=replace(sound.headline, n=99)))
    undefined = replace(sound.headline, figure=Figure(None, None, None, 0, "not defined: every answer is the same"))
    assert "not defined: every answer is the same" in only(replace(sound, headline=undefined))
    noted = replace(sound.headline, figure=Figure(0.7, 0.6, 0.8, 0, "3 sources are few"))
    assert "3 sources are few" in only(replace(sound, headline=noted))
    assert "chose too" in only(replace(sound, headline=replace(sound.headline, slice="all")))
    no_control = replace(sound.counts, pushed={"control": 0, "selected": 5, "gold": 0})
    assert "no control slice" in only(replace(sound, headline=replace(sound.headline, slice="all"), counts=no_control))
    assert "Control and selected clips differ" in only(with_alpha(sound, "selected", 0.5, 0.4, 0.59))
    deaf = tuple(replace(one, gold=Share(10, 3, 0.3, 0.11, 0.6)) for one in sound.people[:1])
    assert "(3 of 10 as known, interval 11% to 60%)" in only(replace(sound, people=deaf))
    few = tuple(replace(one, gold=Share(4, 0, 0.0, 0.0, 0.49)) for one in sound.people)
    assert cautions(replace(sound, people=few)) == []
    first, *_, last = sound.weeks
    low = replace(last, answers=replace(last.answers, alpha=Figure(0.4, 0.3, 0.5, 0, None)))
    assert f"in {first.week}, 0.40 (0.30 to 0.50) in {last.week}" in only(replace(sound, weeks=(first, low)))
    assert cautions(replace(sound, weeks=(first, replace(low, answers=replace(low.answers, n=29))))) == []
    flagged = replace(sound.counts, flagged=6, answers=60, flags={**sound.counts.flags, "too_fast": 5, "skipped": 1})
    assert "6 of 60 answers (10.0%)" in only(replace(sound, counts=flagged))
    shown = (*sound.slices, replace(sound.slices[0], name="machine_hidden"))
    assert "saw the machine’s label" in only(replace(sound, slices=shown))
    language = sound.languages[0]
    gap = replace(language, answers=replace(language.answers, kappa=Figure(None, None, None, 0, "not defined")))
    assert "1 figure is not defined" in only(replace(sound, languages=(gap,)))


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
