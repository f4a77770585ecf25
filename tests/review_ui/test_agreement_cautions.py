"""What the lead is told to beware of: each thing where it is so, and nothing else."""

from dataclasses import replace
from pathlib import Path

import pytest

from manifests.bootstrap import Figure
from manifests.review import FLAGS
from review_ui.agreement.report import Coefficients, Report, Share
from review_ui.agreement_page.cautions import cautions
from tests.review_ui.agreement_reports import some_report, text_of


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
def sound(tmp_path_factory: pytest.TempPathFactory) -> Report:
    """A report against which nothing speaks."""
    report = some_report(tmp_path_factory.mktemp("run"))
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
