"""What routing promises: quotas, limits, chance, and that what was decided stays decided."""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.emilia import reject
from manifests.emotions import CLASSES
from manifests.errors import EmotroveError, InputError, RunFolderError, RunLocked, StorageError
from manifests.lease import Lease
from manifests.review import ROUTES
from manifests.review_folder import HELD, ReviewFolder
from manifests.run_folder import RunFolder
from manifests.storage import Store
from pipeline.route_command import PolicyName
from pipeline.routing import REASONS, Routing, RoutingOptions, route
from pipeline.routing_policies import POLICIES
from tests.pipeline.small_run import Row, a_vote, finished_run

NAMES = [str(emotion) for emotion in CLASSES]


def utterance(name: str, *votes: tuple[str, float], **more: Any) -> Row:
    """A labelled clip with a source and a text of its own, and what its voters said."""
    said = [a_vote(emotion, confidence, f"voter{n}") for n, (emotion, confidence) in enumerate(votes)]
    own = {"shard": "EN-1", "language": "en", "source_id": f"source-{name}", "text": f"the words of {name}"}
    own |= {"duration_s": 2.5, "audio_uri": f"/data/EN-1.tar#512+{len(name)}", "audio_format": "mp3"}
    return {
        "utterance_id": name,
        "votes": said,
        "audio_sha256": hashlib.sha256(name.encode()).hexdigest(),
        **own,
        **more,
    }


def many(count: int, emotion: str = "sad", **more: Any) -> list[Row]:
    return [utterance(f"u{n:04d}", (emotion, 0.5 + n / 2 / count), **more) for n in range(count)]


def a_run(folder: Path | str, rows: list[Row]) -> RunFolder:
    """Positions as the rows come."""
    at: Counter[str] = Counter()
    placed = []
    for row in rows:
        placed.append({**row, "position": at[row["shard"]]})
        at[row["shard"]] += 1
    return finished_run(folder, placed)  # type: ignore[arg-type]


def decided(run: RunFolder) -> dict[str, Row]:
    """Rows by id; each is there once."""
    rows = ReviewFolder(run).decided().to_table().to_pylist()
    found = {row["utterance_id"]: row for row in rows}
    assert len(found) == len(rows), "an utterance was decided twice"
    return found


def held(run: RunFolder) -> dict[str, str]:
    """Reason by id."""
    table = run.read_table(HELD)
    assert table.schema.equals(ROUTES, check_metadata=False) and set(table["decision"].to_pylist()) <= {"hold"}
    return dict(zip(table["utterance_id"].to_pylist(), table["reason"].to_pylist(), strict=True))


def arm(run: RunFolder, name: str) -> set[str]:
    return {key for key, row in decided(run).items() if row["arm"] == name}


def by_draw(ids: list[str], seed: int = 0) -> list[str]:
    """In the order of chance, worked out without DuckDB."""

    def draw(name: str) -> int:
        # DuckDB takes the sixteen bytes of an MD5 for one number, its last byte the most significant.
        return int.from_bytes(hashlib.md5(f"{seed}:{name}".encode()).digest(), "little") >> 64

    return sorted(ids, key=draw)


# -- quotas and policies ---------------------------------------------------------------------------------------------


def test_quotas_are_for_each_language_and_emotion_and_are_never_filled_up(tmp_path: Path) -> None:
    rows = [
        utterance(f"{lang}-{e}-{n}", (e, 0.8), language=lang)
        for lang in ("en", "zh")
        for e in ("sad", "happy")
        for n in range(6)
    ]
    run = a_run(tmp_path, rows[:-4])  # two of happy in Chinese
    found = route(run, RoutingOptions(per_class=4, control=0.0))
    chosen = Counter((row["language"], row["emotion"]) for row in decided(run).values())
    assert chosen == {("en", "sad"): 4, ("en", "happy"): 4, ("zh", "sad"): 4, ("zh", "happy"): 2}
    assert len(found.strata) == 2 * len(CLASSES)
    for row in found.strata:
        assert (row.asked, row.selected, row.short) == (4, *((n := chosen[row.language, row.emotion]), 4 - n))
    assert found.held == Counter(held(run).values()) == {"over_quota": 6}


@pytest.mark.parametrize(
    ("policy", "best"),
    [
        # disagreement: two against one, then one who doubts; rare: fear is; confident: all agree and are sure
        ("disagreement", ["split", "unsure", "sure"]),
        ("confident", ["sure", "unsure", "split"]),
    ],
)
def test_a_policy_takes_the_most_useful_first(tmp_path: Path, policy: str, best: list[str]) -> None:
    rows = [
        utterance("sure", *[("sad", 0.9)] * 3),
        utterance("unsure", *[("sad", 0.5)] * 3),
        utterance("split", ("sad", 0.9), ("sad", 0.9), ("happy", 0.9)),
    ]
    run = a_run(tmp_path, rows)
    for n in range(1, 4):
        route(run, RoutingOptions(per_class=n, policy=policy, control=0.0))
        assert set(decided(run)) == set(best[:n])
    row = decided(run)["split"]
    assert row["policy"] == policy and row["priority"] == pytest.approx(
        {"disagreement": 1 / 3 + 0.4 / 4, "confident": 2 / 3 * 0.6}[policy]
    )


def test_the_rare_policy_gives_a_shared_source_to_the_rarer_emotion(tmp_path: Path) -> None:
    rows = [
        *many(20),
        utterance("fear", ("fearful", 0.6), source_id="S"),
        utterance("sad", ("sad", 0.99), source_id="S"),
    ]
    for policy, expected in (("rare", "fear"), ("confident", "sad")):
        run = a_run(tmp_path / policy, rows)
        route(run, RoutingOptions(policy=policy, per_source=1, control=0.0))
        assert {"fear", "sad"} & set(decided(run)) == {expected}
        assert held(run) == {({"fear", "sad"} - {expected}).pop(): "over_source_limit"}
    row = decided(RunFolder(str(tmp_path / "rare")))["fear"]
    assert row["priority"] == pytest.approx(0.6 * 4.459431618637297)  # log2(22)


def test_a_score_that_is_no_number_is_not_the_highest(tmp_path: Path) -> None:
    nan = float("nan")
    rows = [utterance("good", ("sad", 0.9)), utterance("bad", ("sad", 0.9))]
    rows[1]["consensus"] = {"emotion": "sad", "confidence": nan, "n_votes": 1, "agreement": 1.0}
    run = a_run(tmp_path, rows)
    route(run, RoutingOptions(per_class=1, policy="confident", control=0.0, accept_above=0.5))
    assert set(decided(run)) == {"good"} and held(run) == {"bad": "over_quota"}


# -- limits ----------------------------------------------------------------------------------------------------------


def test_at_most_so_many_of_a_source_and_of_a_text(tmp_path: Path) -> None:
    same = ["Thank you very much!", "thank you, very much", "ＴＨＡＮＫ you very much…"]
    rows = [
        *[utterance(f"s{n}", ("sad", 0.8), source_id="S") for n in range(5)],
        *[utterance(f"t{n}", (NAMES[n], 0.8), text=text) for n, text in enumerate(same)],
        *[utterance(f"n{n}", ("sad", 0.8), source_id=None, text=None) for n in range(5)],
    ]
    run = a_run(tmp_path, rows)
    found = route(run, RoutingOptions(per_source=3, per_text=1, control=0.0))
    assert Counter(name[0] for name in decided(run)) == {"s": 3, "t": 1, "n": 5}
    assert found.held == {"over_source_limit": 2, "over_text_limit": 2}
    assert Counter((name[0], reason) for name, reason in held(run).items()) == {
        ("s", "over_source_limit"): 2,
        ("t", "over_text_limit"): 2,
    }


def test_the_transcript_stands_in_where_the_input_has_no_text(tmp_path: Path) -> None:
    said = {"text": "What?", "annotator": "asr", "confidence": 0.9, "words": None}
    rows = [utterance("a", ("sad", 0.8), text=" ", transcript=said), utterance("b", ("sad", 0.7), text="what")]
    run = a_run(tmp_path, rows)
    route(run, RoutingOptions(control=0.0))
    (row,) = decided(run).values()
    assert row["text_key"] == "what" and row["text"] in ("What?", "what")
    assert set(held(run).values()) == {"over_text_limit"}


# -- chance ----------------------------------------------------------------------------------------------------------


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


def test_what_was_taken_without_control_can_be_drawn_no_more(tmp_path: Path) -> None:
    run = a_run(tmp_path, many(100))
    route(run, RoutingOptions(per_class=60, control=0.0))
    found = route(run, RoutingOptions(per_class=60))
    assert found.control.asked == 3 > found.control.routed
    assert any(note.startswith("Control is short by ") for note in found.notes)
    ids = by_draw([f"u{n:04d}" for n in range(100)])
    assert arm(run, "control") == set(ids[: found.control.routed])


# -- gold ------------------------------------------------------------------------------------------------------------


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


# -- the machine's label, and what stays out -------------------------------------------------------------------------


def test_nothing_is_accepted_unless_asked_for(tmp_path: Path) -> None:
    rows = [
        *[utterance(f"sure{n}", ("sad", 0.9), ("sad", 0.9)) for n in range(40)],
        utterance("below", ("sad", 0.89), ("sad", 0.89)),
        utterance("split", ("sad", 1.0), ("happy", 0.1)),
    ]
    run = a_run(tmp_path, rows)
    assert route(run, RoutingOptions(per_class=1, control=0.1)).accepted == 0
    before = decided(run)
    # 0.9 in single precision is a little less than 0.9; at or above means at or above.
    found = route(run, RoutingOptions(per_class=1, control=0.1, accept_above=0.9))
    accepted = {key for key, row in decided(run).items() if row["decision"] == "accept_machine"}
    kept = set(by_draw([row["utterance_id"] for row in rows])[:4])
    assert accepted == {f"sure{n}" for n in range(40)} - before.keys() - kept
    assert found.accepted == found.accepted_new == len(accepted) and len(accepted) > 30
    assert {row["reason"] for row in decided(run).values() if row["arm"] is None} == {"sure_enough"}
    assert set(held(run)) == {row["utterance_id"] for row in rows} - decided(run).keys()
    assert ReviewFolder(run).in_review().num_rows == len(before)


def test_excluded_clips_and_other_languages_wait(tmp_path: Path) -> None:
    rows = [
        utterance("EN_B00000_S00001_W000000", ("sad", 0.9), source_id="EN_B00000_S00001"),
        utterance("EN_B00000_S00001_W000001", ("sad", 0.9), source_id="EN_B00000_S00001"),
        utterance("gone", ("sad", 0.9)),
        utterance("zh", ("sad", 0.9), language="zh"),
        utterance("none", ("sad", 0.9), language=None),
        utterance("here", ("sad", 0.9)),
    ]
    run = a_run(tmp_path / "run", rows)
    test_set = tmp_path / "test-set.jsonl"
    test_set.write_text('{"index": "EN_B00000_S00001_W000000", "emotion": "sad", "wav": "x.wav", "text": "x"}\n')
    run.store.write_text("takedown.txt", "gone\n")
    found = route(run, RoutingOptions(languages=["en", "fr"], exclude=[str(test_set)], control=0.0))
    assert set(decided(run)) == {"here"}
    assert "The run has no labelled clip in fr; it has en, zh" in found.notes
    assert found.held == {"excluded": 3, "other_language": 2} == Counter(held(run).values())
    assert {(row.language, row.emotion) for row in found.strata} == {(x, e) for x in ("en", "fr") for e in NAMES}
    # Without them a clip of no language is a class of its own.
    found = route(run, RoutingOptions(control=0.0))
    assert {row.language for row in found.strata} == {"en", "zh", None}
    assert set(held(run).values()) == {"excluded"} and set(held(run)) == {"gone"}
    found = route(run, RoutingOptions(control=0.0, exclude=[str(test_set)]))
    assert found.notes[-1] == (
        "Excluded now, but in review since an earlier routing, and left there: "
        "EN_B00000_S00001_W000000, EN_B00000_S00001_W000001"
    )


def test_an_id_used_twice_counts_once_and_rejected_clips_do_not(tmp_path: Path) -> None:
    rows = [
        utterance("twice", ("sad", 0.9), text="one"),
        utterance("twice", ("happy", 0.9), text="two", shard="EN-2", source_id="other"),
        reject(utterance("bad", ("sad", 0.9)), "quality", "silent", 0.0),
        utterance("mute"),
    ]
    run = a_run(tmp_path, rows)
    found = route(run, RoutingOptions(control=0.0))
    assert {key: row["shard"] for key, row in decided(run).items()} == {"twice": "EN-1"}
    assert held(run) == {"mute": "no_consensus"} and found.held == {"no_consensus": 1}


# -- again, and after growth -----------------------------------------------------------------------------------------

labelled = st.builds(
    dict,
    language=st.sampled_from(["en", "zh", None]),
    votes=st.lists(
        st.tuples(st.sampled_from(["sad", "sad", "happy", "other"]), st.sampled_from([0.25, 0.5, 0.75])), max_size=3
    ),
    source_id=st.one_of(st.none(), st.sampled_from("abcdef")),
    text=st.one_of(st.none(), st.sampled_from(["Yes.", "yes", "No!", "well", "好。"])),
)
asked_for = st.builds(
    dict,
    per_class=st.integers(1, 6),
    policy=st.sampled_from(sorted(POLICIES)),
    per_source=st.integers(1, 4),
    per_text=st.integers(1, 3),
    control=st.sampled_from([0.0, 0.1, 0.3]),
    accept_above=st.sampled_from([None, 0.5]),
    seed=st.integers(0, 5),
)
LIMITED = ("selected", "control")


def _rows(drawn: list[Row], shards: int) -> list[Row]:
    found = []
    for n, row in enumerate(drawn):
        own = {name: row[name] for name in ("language", "source_id", "text")}
        found.append(utterance(f"u{n:03d}", *row["votes"], shard=f"EN-{n % shards}", **own))
    return found


def _promises(run: RunFolder, rows: list[Row], options: RoutingOptions, found: Routing) -> None:
    chosen, waiting = decided(run), held(run)
    assert chosen.keys() | waiting.keys() == {row["utterance_id"] for row in rows}
    assert not chosen.keys() & waiting.keys()
    assert {row["reason"] for row in chosen.values()} | set(waiting.values()) <= REASONS.keys()
    by_arm = {name: [row for row in chosen.values() if row["arm"] == name] for name in ("selected", "control")}
    strata = Counter((row["language"], row["emotion"]) for row in by_arm["selected"])
    assert all(count <= options.per_class for count in strata.values())
    assert {(s.language, s.emotion): s.selected for s in found.strata if s.selected} == strata
    for name, limit in (("source_id", options.per_source), ("text_key", options.per_text)):
        selected = Counter(row[name] for row in by_arm["selected"] if row[name] is not None)
        assert all(count <= limit for count in selected.values())
    assert found.held == Counter(waiting.values())
    # Whatever waits for a reason of quota or limit could not have been taken.
    table = {row["utterance_id"]: row for row in run.read_table(HELD).to_pylist()}
    sources = Counter(row["source_id"] for row in chosen.values() if row["arm"] in LIMITED)
    for key, reason in waiting.items():
        full = strata[table[key]["language"], table[key]["emotion"]] >= options.per_class
        assert full == (reason == "over_quota") or reason in ("no_consensus", "kept_for_control")
        if reason == "over_source_limit":
            assert sources[table[key]["source_id"]] >= options.per_source


@settings(max_examples=20, deadline=None)
@given(first=st.lists(labelled, min_size=1, max_size=40), later=st.lists(labelled, max_size=40), asked=asked_for)
def test_promises_hold_in_any_order_and_after_growth(first: list[Row], later: list[Row], asked: dict[str, Any]) -> None:
    options = RoutingOptions(**asked)
    with tempfile.TemporaryDirectory() as folder:
        rows = _rows(first, 2)
        run = a_run(f"{folder}/run", rows)
        found = route(run, options)
        _promises(run, rows, options, found)
        # What is drawn takes up room of its source, so fewer may be selected and fewer asked for than were drawn at last.
        assert found.control.routed >= min(found.control.asked, len(rows))
        most = options.control / (1 - options.control) * len(rows)
        assert found.control.routed <= max(1, round(most))
        for name, limit in (("source_id", options.per_source), ("text_key", options.per_text)):
            drawn = Counter(row[name] for row in decided(run).values() if row["arm"] == "control")
            of = Counter(row[name] for row in decided(run).values() if row["arm"] in LIMITED and row[name] is not None)
            assert all(count <= max(limit, drawn[value]) for value, count in of.items())

        # The same clips in other shards and another order.
        mixed = [{**row, "shard": f"EN-{n % 3}"} for n, row in enumerate(rows)]
        random.Random(1).shuffle(mixed)
        other = a_run(f"{folder}/other", mixed)
        route(other, options)
        without = ("shard", "position")
        assert {key: {**row, **dict.fromkeys(without)} for key, row in decided(other).items()} == {
            key: {**row, **dict.fromkeys(without)} for key, row in decided(run).items()
        }
        assert held(other) == held(run)

        # The same command again decides nothing new.
        before, waiting = decided(run), held(run)
        again = route(run, options)
        assert (again.review_new, again.accepted_new) == (0, 0)
        assert decided(run) == before and held(run) == waiting

        # The run grows.
        more = [{**row, "utterance_id": f"new-{row['utterance_id']}", "shard": "ZZ"} for row in _rows(later, 1)]
        a_run(f"{folder}/run", rows + more)
        found = route(run, options)
        after = decided(run)
        assert {key: after[key] for key in before} == before
        _promises(run, rows + more, options, found)


# -- files -----------------------------------------------------------------------------------------------------------

KILLED_BETWEEN = """
import os, signal
from manifests.review_folder import ReviewFolder
ReviewFolder.write_held = lambda *args: os.kill(os.getpid(), signal.SIGKILL)
from pipeline.cli import main
main()
"""


def test_killed_between_the_files_the_same_command_ends_right(tmp_path: Path) -> None:
    rows = many(60)
    run, whole = a_run(tmp_path / "run", rows), a_run(tmp_path / "whole", rows)
    route(run, RoutingOptions(per_class=5))
    options = RoutingOptions(per_class=20)
    args = ["route", str(tmp_path / "run"), "--per-class", "20"]
    dead = subprocess.run([sys.executable, "-c", KILLED_BETWEEN, *args], capture_output=True, check=False)
    assert dead.returncode == -signal.SIGKILL
    between = decided(run)
    assert len(between) == 21 and len(ReviewFolder(run).decided_files()) == 2
    assert held(run).keys() & between.keys(), "the kill came too late to show anything"
    finished = subprocess.run(
        [sys.executable, "-m", "pipeline.cli", *args], capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stderr
    route(whole, RoutingOptions(per_class=5))
    route(whole, options)
    assert decided(run) == between == decided(whole) and held(run) == held(whole)
    assert not list((tmp_path / "run").rglob(".tmp-*")) and not (tmp_path / "run/review/lease.json").exists()


@pytest.mark.parametrize("place", ["local", "memory"])
def test_files_have_the_schema_and_the_same_bytes_each_time(tmp_path: Path, place: str) -> None:
    folder = str(tmp_path / "run") if place == "local" else f"memory://{uuid.uuid4().hex}/run"
    made = []
    for n in range(2):
        run = RunFolder(f"{folder}{n}")
        source = a_run(tmp_path / f"source{n}", many(50))
        for path in sorted(p for p in (tmp_path / f"source{n}").rglob("*") if p.is_file()):
            run.store.write_bytes(str(path.relative_to(tmp_path / f"source{n}")), path.read_bytes())
        route(run, RoutingOptions(per_class=10, accept_above=0.9))
        assert source.store.list("routes") == []
        names = ["routes/decided-000000.parquet", HELD]
        assert run.store.list("routes") == names
        for name in names:
            schema = pq.read_schema(pa.BufferReader(run.store.read_bytes(name)))
            assert schema.equals(ROUTES, check_metadata=True)
        made.append([run.store.read_bytes(name) for name in names])
    assert made[0] == made[1]
    row = next(row for row in decided(run).values() if row["arm"] == "selected")
    assert (
        row["duration_s"] == 2.5
        and row["audio_format"] == "mp3"
        and row["text"] == f"the words of {row['utterance_id']}"
    )
    assert row["audio_sha256"] == hashlib.sha256(row["utterance_id"].encode()).hexdigest()
    assert (row["round"], row["seed"]) == (0, 0) and row["audio_uri"].startswith("/data/EN-1.tar#512+")
    in_review = ReviewFolder(run).in_review()
    assert in_review.schema.equals(ROUTES) and set(in_review["decision"].to_pylist()) == {"review"}


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    run = a_run(tmp_path, many(30))
    before = sorted(tmp_path.rglob("*"))
    found = route(run, RoutingOptions(per_class=10, dry_run=True))
    assert sorted(tmp_path.rglob("*")) == before and found.review_new == found.review == 11
    real = route(run, RoutingOptions(per_class=10))
    assert {**real.to_json(), "dry_run": True} == found.to_json()


def test_a_folder_that_a_pattern_could_mean(tmp_path: Path) -> None:
    run = a_run(tmp_path / "it's [a] *run*", many(10))
    assert route(run, RoutingOptions(per_class=5, control=0.0)).review == 5


def test_a_pull_that_ends_soon_is_waited_for(tmp_path: Path) -> None:
    run = a_run(tmp_path, many(10))
    pull = Lease(Store(str(tmp_path / "review")))
    pull.acquire()
    threading.Timer(1.0, pull.release).start()
    assert route(run, RoutingOptions(per_class=2)).review == 2


def test_what_cannot_be_routed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RunFolderError, match="is not a run folder"):
        route(RunFolder(str(tmp_path / "none")), RoutingOptions())
    run = a_run(tmp_path / "run", [reject(utterance("bad", ("sad", 0.9)), "quality", "silent", 0.0)])
    with pytest.raises(InputError, match="has no labelled clip to route"):
        route(run, RoutingOptions())
    run = a_run(tmp_path / "run2", many(10))
    monkeypatch.setattr("review_ui.exclusive.PATIENCE_S", 0.3)
    with Lease(Store(str(tmp_path / "run2" / "review"))), pytest.raises(RunLocked, match="Another job is at work"):
        route(run, RoutingOptions())
    with pytest.raises(EmotroveError, match="cannot be read"):
        route(run, RoutingOptions(exclude=[str(tmp_path / "no-list")]))
    assert run.store.list("routes") == []
    route(run, RoutingOptions(per_class=2))
    path = tmp_path / "run2" / "routes" / "decided-000000.parquet"
    os.truncate(path, 100)
    for reading in (ReviewFolder(run).in_review, lambda: route(run, RoutingOptions())):
        with pytest.raises(RunFolderError, match="routes cannot be read: .*decided-000000.parquet.*from a copy"):
            reading()


def test_full_disks(tmp_path: Path, small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = a_run(tmp_path / "run", many(1000, text="a " * 200))
    with monkeypatch.context() as patched:
        patched.setattr(tempfile, "tempdir", str(small_disk))
        with pytest.raises(StorageError, match=f"not enough room for temporary files in {small_disk}.*set TMPDIR"):
            route(run, RoutingOptions())
    assert not list(small_disk.iterdir()) and run.store.list("routes") == []
    route(run, RoutingOptions(per_class=2))
    before = decided(run), held(run)
    shutil.move(tmp_path / "run" / "routes", small_disk / "routes")
    (tmp_path / "run" / "routes").symlink_to(small_disk / "routes")
    with (small_disk / "ballast").open("wb", buffering=0) as ballast, pytest.raises(OSError):
        while True:
            ballast.write(bytes(1000))
    with pytest.raises(StorageError, match="The disk is full"):
        route(run, RoutingOptions(per_class=2))
    assert (decided(run), held(run)) == before


def test_every_reason_and_policy_is_documented() -> None:
    text = (Path(__file__).resolve().parents[2] / "docs" / "routing.md").read_text("utf-8")
    assert not [name for name in (*REASONS, *POLICIES) if f"| `{name}` |" not in text]
    assert [policy.value for policy in PolicyName] == list(POLICIES)
