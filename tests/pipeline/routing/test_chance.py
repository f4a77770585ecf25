"""The control slice, and clips whose answer is known."""

import json
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.emilia import reject
from manifests.emotions import CLASSES
from manifests.errors import InputError
from pipeline.routing import RoutingOptions, route
from tests.pipeline.routing.runs import a_run, arm, by_draw, decided, held, many, utterance
from tests.pipeline.small_run import a_vote

NAMES = [str(emotion) for emotion in CLASSES]


def test_control_is_the_first_of_a_draw_among_all_whatever_the_machine_said(tmp_path: Path) -> None:
    rows = many(300)
    for n in range(0, 300, 7):
        rows[n]["votes"] = [a_vote("other")]  # no consensus
    run = a_run(tmp_path, [*rows, reject(utterance("bad", ("sad", 0.9)), "quality", "silent", 0.0)])
    found = route(run, RoutingOptions(per_class=95, seed=3))
    assert (found.control.asked, found.control.routed, found.review) == (5, 5, 100)
    first = by_draw([row["utterance_id"] for row in rows], seed=3)
    assert arm(run, "control") == set(first[:5])
    # Of the five percent that chance may draw nothing is selected.
    assert not arm(run, "selected") & set(first[:15])
    waiting = {name for name, reason in held(run).items() if reason in ("kept_for_control", "no_consensus")}
    assert set(first[5:15]) <= waiting


@settings(max_examples=12, deadline=None)
@given(seed=st.integers(0, 2**40), control=st.sampled_from([0.05, 0.1, 0.25]))
def test_control_holds_the_first_draws_of_every_seed(seed: int, control: float) -> None:
    rows = many(120)
    with tempfile.TemporaryDirectory() as folder:
        run = a_run(folder, rows)
        options = RoutingOptions(per_class=30, control=control, seed=seed)
        found = route(run, options)
        first = by_draw([row["utterance_id"] for row in rows], seed)
        assert arm(run, "control") == set(first[: found.control.routed])
        assert abs(found.control.routed / found.review - control) <= 0.5 / found.review
        # A larger quota draws on from where the first draw ended.
        found = route(run, RoutingOptions(per_class=60, control=control, seed=seed))
        assert arm(run, "control") == set(first[: found.control.routed])
        assert abs(found.control.routed / found.review - control) <= 0.5 / found.review


def test_everything_can_go_to_review(tmp_path: Path) -> None:
    run = a_run(tmp_path, many(84))
    found = route(run, RoutingOptions(per_class=84))
    assert found.review == 84 and (found.control.routed, found.held) == (4, {})


def test_control_ignores_the_limits_and_counts_for_them(tmp_path: Path) -> None:
    rows = [*many(200, source_id="S"), *(utterance(f"own{n}", ("sad", 0.7)) for n in range(40))]
    run = a_run(tmp_path, rows)
    found = route(run, RoutingOptions(per_class=6, per_source=2, control=0.5))
    assert (found.control.routed, found.review) == (6, 12)
    assert arm(run, "control") == set(by_draw([row["utterance_id"] for row in rows])[:6])
    sources = {
        name: Counter(decided(run)[key]["source_id"] for key in arm(run, name)) for name in ("control", "selected")
    }
    assert sources["control"]["S"] > 2 and sources["selected"]["S"] == 0


def test_control_is_no_larger_than_it_must_be(tmp_path: Path) -> None:
    """Two selected clips ask for one drawn; drawn, it takes the room of its source, and the one that is left asks for none."""
    rows = [utterance(f"u{n:03d}", ("sad", 0.5), source_id=source) for n, source in enumerate("ededdddeeded")]
    found = route(a_run(tmp_path, rows), RoutingOptions(per_class=4, per_source=1, control=0.3, seed=4))
    assert (found.control.asked, found.control.routed, found.review) == (1, 1, 2)


def test_what_was_taken_without_control_can_be_drawn_no_more(tmp_path: Path) -> None:
    run = a_run(tmp_path, many(100))
    route(run, RoutingOptions(per_class=60, control=0.0))
    found = route(run, RoutingOptions(per_class=60))
    assert found.control.asked == 3 > found.control.routed
    assert any(note.startswith("Control is short by ") for note in found.notes)
    ids = by_draw([f"u{n:04d}" for n in range(100)])
    assert arm(run, "control") == set(ids[: found.control.routed])


def gold_file(folder: Path, answers: dict[str, str]) -> Path:
    path = folder / "gold.jsonl"
    path.write_text("".join(json.dumps({"id": key, "emotion": value}) + "\n" for key, value in answers.items()))
    return path


def test_gold_is_a_share_of_review_and_counts_for_no_quota(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", many(400))
    known = {f"u{n:04d}": "happy" for n in range(40)}
    found = route(run, RoutingOptions(per_class=90, gold=gold_file(tmp_path, known)))
    assert (found.review, found.gold.routed, found.control.routed) == (100, 5, 5)
    rows = decided(run)
    for name in arm(run, "gold"):
        assert rows[name]["gold_emotion"] == known[name] == "happy" and rows[name]["emotion"] == "sad"
    assert not arm(run, "selected") & known.keys(), "a clip whose answer is known was selected"
    assert all(row["gold_emotion"] is None for row in rows.values() if row["arm"] != "gold")
    chance = set(by_draw([f"u{n:04d}" for n in range(400)])[:20])
    waiting = {name: held(run)[name] for name in known.keys() - rows.keys()}
    assert waiting == {name: "kept_for_control" if name in chance else "kept_for_gold" for name in waiting}
    assert set(waiting.values()) == {"kept_for_control", "kept_for_gold"}
    # What was taken for gold does not stand in the way of a larger draw.
    found = route(run, RoutingOptions(per_class=180, gold=gold_file(tmp_path, known)))
    assert (found.control.routed, found.control.asked) == (10, 10) and arm(run, "control") <= chance


def test_gold_that_cannot_be_used_is_said(tmp_path: Path) -> None:
    rows = [*many(60), reject(utterance("quiet", ("sad", 0.9)), "quality", "silent", 0.0)]
    run = a_run(tmp_path / "run", rows)
    assert (
        "There are no gold items: give known answers with --gold FILE.jsonl"
        in route(run, RoutingOptions(per_class=20)).notes
    )
    selected, control = sorted(arm(run, "selected")), sorted(arm(run, "control"))
    path = gold_file(tmp_path, {"quiet": "sad", selected[0]: "sad", control[0]: "sad", "u0059": "calm"})
    found = route(run, RoutingOptions(per_class=20, gold=path))
    assert not arm(run, "gold")
    assert found.notes == [
        "Gold items that were rejected or failed, and cannot be used: quiet",
        "Gold items of other emotions than the seven were left out: calm 1",
        "Gold items that were routed before as control and stay so: 1",
        "Gold items that were routed before as selected and stay so: 1",
        "Gold is short by 1: give more known answers",
    ]
    for answers, said in (
        ({"nobody": "sad", "u0001": "sad"}, "does not have: nobody. A gold item must be"),
        ({f"x{n}": "sad" for n in range(9)}, "x0, x1, x2 and 6 more"),
        ({"u0001": "joyless"}, "gold.jsonl, line 1: 'joyless' is not a known emotion"),
    ):
        before = held(run)
        with pytest.raises(InputError, match=said.replace("'", ".")):
            route(run, RoutingOptions(gold=gold_file(tmp_path, answers)))
        assert held(run) == before
    path.write_text('{"id": "u0001", "emotion": "sad"}\n{"id": "u0001", "emotion": "happy"}\n')
    with pytest.raises(InputError, match="line 2: u0001 is happy here and sad in an earlier line"):
        route(run, RoutingOptions(gold=path))
    with pytest.raises(InputError, match="leave no clip to select"):
        RoutingOptions(gold=path, gold_share=0.6, control=0.5)


def test_a_known_answer_that_changes_later_is_said_and_stays(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", many(40))
    route(run, RoutingOptions(per_class=19, gold=gold_file(tmp_path, {"u0007": "sad"})))
    found = route(run, RoutingOptions(per_class=19, gold=gold_file(tmp_path, {"u0007": "happy"})))
    assert "Gold items that went to review with another answer than the file has now, and keep it: u0007" in found.notes
    assert decided(run)["u0007"]["gold_emotion"] == "sad"
