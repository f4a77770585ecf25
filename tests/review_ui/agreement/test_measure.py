"""The report of a run, against what a direct computation from its answers gives."""

import datetime as dt
import json
import random
import statistics
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import krippendorff
import pyarrow as pa
import pytest
from sklearn.metrics import cohen_kappa_score

from manifests.bootstrap import Figure
from manifests.errors import RunFolderError
from manifests.review import FLAGS
from manifests.review_folder import ReviewFolder
from manifests.run_folder import RunFolder, encode_parquet
from review_ui.agreement.measure import measure
from review_ui.agreement.pairs import CATEGORIES, EMOTIONS
from review_ui.agreement.parts import QUOTABLE_CLIPS
from review_ui.agreement.report import AGREEMENT_VERSION, Coefficients, Report
from tests.review_ui.agreement.answered_run import ANN, BOB, CY, MONDAY, Answered, answered_run

EXACT = 1e-12
RESAMPLES = 50


def many_clips(n: int, seed: int = 1) -> list[Answered]:
    """People who mostly hear what is there, in changing pairs, with gold items and open clips."""
    chance = random.Random(seed)
    clips = []
    for _ in range(n):
        truth = chance.choice(EMOTIONS)

        def heard(truth: str = truth) -> str:
            return truth if chance.random() < 0.8 else chance.choice(CATEGORIES)

        arm = chance.choices(["selected", "control", "gold"], [60, 30, 10])[0]
        votes = {"seed": truth if chance.random() < 0.7 else chance.choice(["other", "angry"])}
        if chance.random() < 0.9:
            votes["sensevoice"] = chance.choice(EMOTIONS)
        clips.append(
            Answered(
                heard() if chance.random() < 0.95 else None,
                heard() if chance.random() < 0.95 else None,
                people=chance.choice([(ANN, BOB), (BOB, ANN), (ANN, CY)]),
                source=f"s{chance.randrange(n // 3)}" if chance.random() < 0.9 else None,
                arm=arm,
                language=chance.choice(["en", "zh", None]),
                gold=truth if arm == "gold" else None,
                machine=truth if chance.random() < 0.9 else None,
                votes=votes,
                shown=chance.choice([(False, False), (True, True), (False, True)]),
                lead_time_s=chance.choice([2.0, 4.0, 6.5, 9.0]),
                days=chance.randrange(-20, 20),
            )
        )
    return clips


CLIPS = many_clips(300)
COUNTED = [clip for clip in CLIPS if clip.lead_time_s >= 3.0]
"""Answers in less time than the clip lasts do not count."""
ANSWERED = [clip for clip in COUNTED if clip.a and clip.b and clip.arm != "gold"]


@pytest.fixture(scope="module")
def review(tmp_path_factory: pytest.TempPathFactory) -> ReviewFolder:
    return answered_run(tmp_path_factory.mktemp("agreement") / "loop", CLIPS)


@pytest.fixture(scope="module")
def report(review: ReviewFolder) -> Report:
    return measure(review, resamples=RESAMPLES)


def is_that_of(found: Coefficients, pairs: Sequence[tuple[str, str]], k: int) -> None:
    """The coefficients of a list of pairs of answers, by the libraries of others."""
    assert found.n == len(pairs) > 2
    first, second = zip(*pairs, strict=True)
    agreed = sum(a == b for a, b in pairs) / len(pairs)
    shares = [count / (2 * len(pairs)) for count in Counter(first + second).values()]
    by_chance = sum(p * (1 - p) for p in shares) / (k - 1)
    code = {name: n for n, name in enumerate(sorted({*first, *second}))}
    coded = [[code[name] for name in side] for side in (first, second)]
    assert found.raw.value == pytest.approx(agreed, abs=EXACT)
    assert found.kappa.value == pytest.approx(cohen_kappa_score(first, second), abs=EXACT)
    assert found.alpha.value == pytest.approx(krippendorff.alpha(coded, level_of_measurement="nominal"), abs=EXACT)
    assert found.ac1.value == pytest.approx((agreed - by_chance) / (1 - by_chance), abs=EXACT)


def both_treatments(answers: Coefficients, emotions: Coefficients, clips: Sequence[Answered]) -> None:
    pairs = [(clip.a or "", clip.b or "") for clip in clips]
    is_that_of(answers, pairs, len(CATEGORIES))
    is_that_of(emotions, [pair for pair in pairs if {*pair} <= {*EMOTIONS}], len(EMOTIONS))


def test_slices(report: Report) -> None:
    part: dict[str, Callable[[Answered], bool]] = {
        "all": lambda clip: True,
        "control": lambda clip: clip.arm == "control",
        "selected": lambda clip: clip.arm == "selected",
        "machine_hidden": lambda clip: clip.shown == (False, False),
        "machine_mixed": lambda clip: clip.shown == (False, True),
        "machine_shown": lambda clip: clip.shown == (True, True),
    }
    assert [found.name for found in report.slices] == list(part)
    for found in report.slices:
        clips = [clip for clip in ANSWERED if part[found.name](clip)]
        both_treatments(found.answers, found.emotions, clips)
        assert found.answers.n_sources == len({clip.source or id(clip) for clip in clips})


def test_one_against_the_rest(report: Report) -> None:
    for found, name in zip(report.slices[0].classes, CATEGORIES, strict=True):
        pairs = [(str(clip.a == name), str(clip.b == name)) for clip in ANSWERED]
        assert found.name == name
        assert found.both == pairs.count(("True", "True"))
        assert found.either == len(pairs) - pairs.count(("False", "False"))
        is_that_of(found.figures, pairs, 2)


def test_languages_and_pairs_of_people(report: Report) -> None:
    sizes = Counter(clip.language for clip in ANSWERED)
    assert {found.language: found.answers.n for found in report.languages} == dict(sizes)
    assert [found.answers.n for found in report.languages] == sorted(sizes.values(), reverse=True)
    for found in report.languages:
        both_treatments(found.answers, found.emotions, [clip for clip in ANSWERED if clip.language == found.language])
    assert [found.people for found in report.pairs] == [(ANN, BOB), (ANN, CY)]
    for pair in report.pairs:
        theirs = [clip for clip in ANSWERED if {*clip.people} == {*pair.people}]
        # Kappa tells the two apart by who they are, not by the slot they were in.
        turned = [
            (clip.a or "", clip.b or "") if clip.people == pair.people else (clip.b or "", clip.a or "")
            for clip in theirs
        ]
        is_that_of(pair.answers, turned, len(CATEGORIES))
        assert pair.emotions.n == sum({*answers} <= {*EMOTIONS} for answers in turned)


def test_weeks(report: Report) -> None:
    by_week: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for clip in ANSWERED:
        day = (MONDAY + dt.timedelta(days=clip.days)).date()  # B answers a day after A
        year, week, weekday = day.isocalendar()
        key = (f"{year}-W{week:02d}", str(day - dt.timedelta(days=weekday - 1)))
        by_week.setdefault(key, []).append((clip.a or "", clip.b or ""))
    assert [(found.week, found.monday) for found in report.weeks] == sorted(by_week, key=lambda key: key[1])
    assert "2025-W52" in {week for week, _ in by_week}
    for found in report.weeks:
        is_that_of(found.answers, by_week[found.week, found.monday], len(CATEGORIES))


def test_confusion(report: Report) -> None:
    expected = Counter((clip.a, clip.b) for clip in ANSWERED)
    assert report.confusion.categories == CATEGORIES
    for row, counts in zip(CATEGORIES, report.confusion.counts, strict=True):
        assert counts == tuple(expected[row, column] for column in CATEGORIES)


def test_people(report: Report) -> None:
    assert [found.annotator for found in report.people] == [ANN, BOB, CY]
    for found in report.people:
        mine = [
            (clip, answer)
            for clip in CLIPS
            for person, answer in zip(clip.people, (clip.a, clip.b), strict=True)
            if person == found.annotator and answer
        ]
        counted = [(clip, answer) for clip, answer in mine if clip in COUNTED]
        gold = [clip.gold == answer for clip, answer in counted if clip.arm == "gold"]
        assert (found.answers, found.counted) == (len(mine), len(counted))
        assert found.flags == {"too_fast": len(mine) - len(counted)}
        assert found.escapes == sum(answer not in EMOTIONS for _, answer in counted)
        assert found.seconds_per_clip == statistics.median(clip.lead_time_s for clip, _ in counted)
        assert found.seconds_per_second == pytest.approx(found.seconds_per_clip / 3.0)
        assert (found.gold.n, found.gold.hits) == (len(gold), sum(gold))
        assert found.gold.value is not None and found.gold.low is not None and found.gold.high is not None
        # Wilson 1927, written out.
        z, n, p = 1.959963984540054, len(gold), sum(gold) / len(gold)
        middle, half = p + z * z / (2 * n), z * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
        assert found.gold.low == pytest.approx((middle - half) / (1 + z * z / n), abs=EXACT)
        assert found.gold.high == pytest.approx((middle + half) / (1 + z * z / n), abs=EXACT)


def test_counts(report: Report) -> None:
    counts = report.counts
    assert counts.pushed == dict(Counter(clip.arm for clip in CLIPS))
    given = [sum(bool(answer) for answer in (clip.a, clip.b)) if clip in COUNTED else 0 for clip in CLIPS]
    assert (counts.both, counts.one, counts.none) == (given.count(2), given.count(1), given.count(0))
    answers = [answer for clip in CLIPS for answer in (clip.a, clip.b) if answer]
    assert (counts.answers, counts.flagged) == (len(answers), len(answers) - sum(given))
    assert counts.flags == dict.fromkeys(FLAGS, 0) | {"too_fast": counts.flagged}
    expected = Counter(answer for clip in COUNTED for answer in (clip.a, clip.b) if answer)
    assert counts.escapes == {name: expected[name] for name in CATEGORIES if name not in EMOTIONS}


def test_voters(report: Report) -> None:
    assert list(dict.fromkeys(found.voter for found in report.voters)) == [None, "seed", "sensevoice"]
    keys = [(None, "all"), (None, "control"), (ANN, "all"), (BOB, "all"), (CY, "all")]
    assert [(found.expert, found.slice) for found in report.voters] == keys * 3
    for found in report.voters:
        pairs = []
        for clip in ANSWERED:
            if found.slice == "control" and clip.arm != "control":
                continue
            if found.expert is None:
                answer = clip.a if clip.a == clip.b else None
            else:
                answer = dict(zip(clip.people, (clip.a, clip.b), strict=True)).get(found.expert)
            vote = clip.machine if found.voter is None else clip.votes.get(found.voter)
            if answer in EMOTIONS and vote is not None:
                pairs.append((answer, vote))
        is_that_of(found.figures, pairs, 9)


def test_voters_among_themselves(report: Report) -> None:
    votes = [(clip.votes["seed"], clip.votes["sensevoice"]) for clip in ANSWERED if len(clip.votes) == 2]
    assert report.among_voters.n == len(votes)
    agreed = sum(a == b for a, b in votes) / len(votes)
    assert report.among_voters.raw.value == pytest.approx(agreed, abs=EXACT)
    names = sorted({vote for pair in votes for vote in pair})
    coded = [[names.index(vote) for vote in side] for side in zip(*votes, strict=True)]
    expected = krippendorff.alpha(coded, level_of_measurement="nominal")
    assert report.among_voters.alpha.value == pytest.approx(expected, abs=EXACT)
    assert report.among_voters.kappa.value is None and "two raters" in str(report.among_voters.kappa.note)


def test_the_headline_is_the_control_slice_only_where_that_is_large_enough(tmp_path: Path) -> None:
    def found(n_control: int) -> Report:
        clips = [Answered("sad", "sad" if n % 5 else "happy", arm="control") for n in range(n_control)]
        clips += [Answered("sad", "happy" if n % 3 else "sad") for n in range(30)]
        return measure(answered_run(tmp_path / str(n_control), clips), resamples=RESAMPLES)

    few, enough = found(QUOTABLE_CLIPS - 1), found(QUOTABLE_CLIPS)
    assert (few.headline.slice, few.headline.n) == ("all", QUOTABLE_CLIPS + 29)
    assert (enough.headline.slice, enough.headline.n) == ("control", QUOTABLE_CLIPS)
    control = enough.slice("control")
    assert control is not None and enough.headline.figure == control.answers.alpha


def test_an_adjudicator_is_no_expert(tmp_path: Path) -> None:
    clips = [Answered("sad", "happy", ruling=(CY, "sad")), Answered("sad", "sad")]
    found = measure(answered_run(tmp_path / "run", clips), resamples=RESAMPLES)
    assert [one.annotator for one in found.people] == [ANN, BOB]
    assert found.counts.answers == 4
    assert found.slices[0].answers.n == 2


def test_the_screens_are_apart_only_where_they_differ(tmp_path: Path) -> None:
    shown = measure(answered_run(tmp_path / "run", [Answered("sad", "sad", shown=(True, True))] * 2), resamples=5)
    assert [part.name for part in shown.slices] == ["all", "control", "selected"]


def test_the_same_clips_have_the_same_figures_under_every_name(tmp_path: Path) -> None:
    clips = [Answered("sad", "sad" if n % 3 else "happy", source=f"s{n % 30}") for n in range(60)]
    found = measure(answered_run(tmp_path / "run", clips), resamples=RESAMPLES)
    selected = found.slice("selected")
    assert selected is not None and found.slices[0].answers == selected.answers
    assert found.slices[0].answers == found.languages[0].answers == found.pairs[0].answers == found.weeks[0].answers


def test_where_nothing_is_defined_nothing_is_said(tmp_path: Path) -> None:
    """One class only, one clip only, one answer only: null with a note, in strict JSON."""
    alike = [Answered("sad", "sad", source=f"s{n}", language="en") for n in range(3)]
    clips = [*alike, Answered("happy", "angry", language="zh"), Answered("sad", None)]
    found = measure(answered_run(tmp_path / "run", clips), resamples=RESAMPLES)
    en, zh = found.languages
    assert en.answers.raw.value == 1.0
    for undefined in (en.answers.kappa, en.answers.alpha):
        assert (undefined.value, undefined.low, undefined.high) == (None, None, None)
        assert "same" in str(undefined.note)
    assert zh.answers.raw.value == 0.0 and zh.answers.raw.low is None and "one source" in str(zh.answers.raw.note)
    control = found.slice("control")
    assert control is not None and control.answers.n == 0
    nothing = Figure(None, None, None, RESAMPLES, "no clip has both answers")
    assert control.answers == Coefficients(0, 0, nothing, nothing, nothing, nothing)
    assert found.people[0].gold.value is None
    assert found.voters == tuple(one for one in found.voters if one.figures.n == 0)
    json.dumps(found.to_json(), allow_nan=False)


def test_before_the_first_answer(tmp_path: Path) -> None:
    found = measure(answered_run(tmp_path / "run", [Answered(None, None)]), resamples=RESAMPLES)
    assert (found.counts.none, found.people, found.weeks, found.headline.n) == (1, (), (), 0)
    assert found.headline.figure.value is None


def test_the_same_answers_give_the_same_bytes(review: ReviewFolder, report: Report, tmp_path: Path) -> None:
    def text(found: Report) -> str:
        return json.dumps(found.to_json(), allow_nan=False)

    elsewhere = answered_run(tmp_path / "loop", CLIPS)
    assert text(measure(elsewhere, resamples=RESAMPLES)) == text(report)
    assert text(measure(review, resamples=RESAMPLES, seed=1)) != text(report)
    assert list(json.loads(text(report))) == [
        *("version", "run", "resamples", "seed", "confidence", "categories", "emotions", "headline", "counts"),
        *("slices", "languages", "pairs", "weeks", "confusion", "people", "voters", "among_voters"),
    ]
    assert report.version == AGREEMENT_VERSION == 1


def test_a_row_whose_id_was_used_before_has_no_vote(tmp_path: Path) -> None:
    """Ids that are there twice: only the row that was routed speaks."""
    routed = answered_run(tmp_path / "run", [Answered("sad", "sad", votes={"seed": "sad"})])
    twin = answered_run(tmp_path / "twin", [Answered("sad", "sad", votes={"stranger": "happy"})]).run
    rows = twin.read_table(twin.label_files(["labeled"])[0])
    rows = rows.set_column(rows.schema.get_field_index("shard"), "shard", pa.array(["EN-1"]))
    routed.run.store.write_bytes("labels/outcome=labeled/EN-1-00000000.parquet", encode_parquet(rows))
    assert routed.run.dataset(["labeled"]).count_rows() == 2
    assert {found.voter for found in measure(routed, resamples=5).voters} == {None, "seed"}


def test_a_damaged_shard_that_nobody_was_asked_about_does_not_matter(tmp_path: Path) -> None:
    review = answered_run(tmp_path / "run", [Answered("sad", "sad", votes={"seed": "sad"})])
    review.run.store.write_bytes("labels/outcome=labeled/EN-1-00000000.parquet", b"damaged")
    assert {found.voter for found in measure(review, resamples=5).voters} == {None, "seed"}


def test_a_vote_for_no_emotion_is_an_error(tmp_path: Path) -> None:
    review = answered_run(tmp_path / "run", [Answered("sad", "sad", votes={"mine": "joy"})])
    with pytest.raises(RunFolderError, match="'joy'.*must give one of: angry"):
        measure(review)


def test_nothing_was_pushed_yet(tmp_path: Path) -> None:
    empty = answered_run(tmp_path / "run", [])
    with pytest.raises(RunFolderError, match="emotrove review push"):
        measure(empty)
    with pytest.raises(RunFolderError, match="not a run folder"):
        measure(ReviewFolder(RunFolder(str(tmp_path))))
