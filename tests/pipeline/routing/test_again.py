"""What was decided stays decided, in any order and however the run grows."""

import random
import tempfile
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.emotions import CLASSES
from manifests.review_folder import HELD
from manifests.run_folder import RunFolder
from pipeline.routing import REASONS, Routing, RoutingOptions, route
from pipeline.routing.policies import POLICIES
from tests.pipeline.routing.runs import a_run, decided, held, utterance
from tests.pipeline.small_run import Row

NAMES = [str(emotion) for emotion in CLASSES]


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
        assert found.control.routed == min(found.control.asked, len(rows))
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
