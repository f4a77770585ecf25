"""The page of an evaluation: whole, escaped, with the figures, and always the same bytes."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from manifests.scoring import Answer
from pipeline.evaluation.evaluation import Evaluation, Folds, evaluation
from pipeline.evaluation.page import write_page
from tests.html_text import Page

ATTACK = '<script>alert(1)</script><img src=x onerror="alert(2)">'


def an_evaluation(languages: tuple[str, ...] = ("en", "zh")) -> Evaluation:
    names = ("angry", "happy", "sad")
    answers = [
        Answer(
            f"c{i}",
            names[i % 3],
            names[(i // 7) % 3] if i % 5 else "other",
            f"s{i % 25}",
            language=languages[i % len(languages)],
        )
        for i in range(100)
    ]
    beside = {"other_classes": {"calm": 4}, "not_scored": {"missing_audio": 2}, "notes": ("a voice of the training",)}
    return evaluation("seed 1", answers, **beside)


def page_of(found: Evaluation, folder: Path) -> Page:
    write_page(found, folder / "page.html")
    return Page((folder / "page.html").read_text("utf-8"))


def test_every_figure_is_on_the_page(tmp_path: Path) -> None:
    found = replace(an_evaluation(), folds=Folds(0.4321, {1: 0.5, 2: 0.3642}))
    shown = page_of(found, tmp_path)
    for scores in (found.scores, *found.languages.values()):
        for figure in (scores.ua, scores.wa, scores.macro_f1, scores.weighted_f1):
            assert f"{figure.value:.4f} [{figure.low:.3f}, {figure.high:.3f}]" in shown.seen
    for name, one in found.scores.classes.items():
        assert f"{name} {one.recall:.3f} {one.precision:.3f} {one.f1:.3f} {one.n} {one.predicted}" in shown.seen
    assert "always says the same of 3 classes has a UA of 0.3333" in shown.seen
    assert (
        "0.4321 mean UA of the folds 2 folds" in shown.seen
        and "100 clips" in shown.seen
        and "25 speakers" in shown.seen
    )
    for said in ("calm 4", "missing_audio 2", "other 20", "a voice of the training"):
        assert said in shown.seen
    for row in found.scores.confusion.values():
        assert all(
            str(n) in shown.words or any(word.endswith(str(n)) for word in shown.words) for n in row.values() if n
        )
    assert shown.tags["svg"] == 2 and not shown.tags["script"]
    assert max(shown.ids.values()) == 1
    assert not [
        value for _, name, value in shown.attributes if name in ("src", "href") and not str(value).startswith("#")
    ]


def test_the_same_evaluation_gives_the_same_bytes(tmp_path: Path) -> None:
    first = page_of(an_evaluation(), tmp_path).text
    assert page_of(an_evaluation(), tmp_path).text == first


def test_without_parts_there_is_no_table_of_parts(tmp_path: Path) -> None:
    shown = page_of(an_evaluation(("en",)), tmp_path)
    assert shown.tags["svg"] == 1 and "Figures" not in shown.seen


def test_words_of_the_data_are_text(tmp_path: Path) -> None:
    found = evaluation(
        ATTACK,
        [Answer(ATTACK, "sad", ATTACK, ATTACK, language=ATTACK), Answer("b", "sad", "sad", "s", language="$x^2$")],
        other_classes={ATTACK: 1},
        notes=(ATTACK,),
    )
    shown = page_of(found, tmp_path)
    assert not shown.tags["script"] and not shown.tags["img"]
    assert not [name for _, name, _ in shown.attributes if name.startswith("on")]
    assert ATTACK in shown.seen


def test_nothing_to_show_is_shown(tmp_path: Path) -> None:
    shown = page_of(evaluation("nobody", [], other_classes={}), tmp_path)
    assert "0 clips" in shown.seen and "–" in shown.seen


def test_json_is_json() -> None:
    found = an_evaluation().to_json()
    again = json.loads(json.dumps(found, allow_nan=False))
    assert again["version"] == 1 and again["scores"]["ua"]["value"] == pytest.approx(found["scores"]["ua"]["value"])
    assert list(again["languages"]) == ["en", "zh"]
