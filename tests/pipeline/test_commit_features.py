"""Features are committed with their labels: one row for each labelled utterance and annotator, whatever is killed or done again."""

import itertools
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pytest

from manifests.features import feature, values_of
from manifests.lease import Lease
from manifests.run_folder import RunFolder, features_file
from pipeline.chunks import Chunk
from pipeline.commit import Commit
from tests.pipeline.test_commit import SCENES, Killed, chunk, killed_at, lease, on_disk, run

__all__ = ["lease", "run"]  # fixtures

EARS = ("left", "right")


def heard(outcomes: Mapping[int, str], take: int = 0, start: int = 0) -> Chunk:
    """A chunk in which both annotators heard every clip, also those that were rejected or failed later."""
    given = chunk(outcomes, start)
    for row in given.clips:
        values = np.array([row["position"], take], np.float32)
        row["features"] = [feature(ear, "1", "mean", values + 100 * n) for n, ear in enumerate(EARS)]
    (whole,) = Chunk.from_table(given.to_table())
    return whole


def commit(run: RunFolder, lease: Lease, what: Chunk) -> None:
    if not run.exists():
        run.write_run({"features": list(EARS)})
    (receipt,) = Commit(run.store.root, lease.token, EARS)(what.to_table()).to_pylist()
    assert receipt["fatal"] is None


def takes(run: RunFolder, ear: str) -> dict[int, int]:
    """Which take the features of each position are from; the values must be those of the position and the annotator."""
    rows = run.features([ear]).to_table().to_pylist()
    found = {}
    for row in rows:
        position, take = (values_of(row) - 100 * EARS.index(ear)).tolist()
        assert position == row["position"] and row["utterance_id"] == f"u{row['position']}" and row["annotator"] == ear
        found[row["position"]] = int(take)
    assert len(found) == len(rows), "a position is there twice"
    return found


def labeled(run: RunFolder) -> set[int]:
    return {position for position, outcome in on_disk(run).items() if outcome == "labeled"}


def test_only_labelled_rows_have_features(run: RunFolder, lease: Lease) -> None:
    commit(run, lease, heard({0: "labeled", 1: "rejected", 2: "labeled", 3: "failed"}))
    for ear in EARS:
        assert takes(run, ear) == {0: 0, 2: 0}
    assert run.store.list("features/annotator=left") == [features_file("left", "s", 0)]
    assert "features" not in run.dataset().schema.names


def test_a_chunk_without_a_labelled_row_has_no_file(run: RunFolder, lease: Lease) -> None:
    commit(run, lease, heard({0: "rejected", 1: "failed"}))
    assert run.feature_files() == []


def test_rows_from_before_are_kept_and_a_row_done_again_is_replaced(run: RunFolder, lease: Lease) -> None:
    commit(run, lease, heard({0: "labeled", 2: "labeled", 3: "failed"}))
    commit(run, lease, heard({1: "labeled", 2: "labeled", 3: "labeled"}, take=1))
    commit(run, lease, heard({0: "failed"}, take=2))
    for ear in EARS:
        assert takes(run, ear) == {1: 1, 2: 1, 3: 1}
    positions = run.read_table(features_file("left", "s", 0))["position"].to_pylist()
    assert positions == [1, 2, 3]


@pytest.mark.parametrize(("before", "after"), SCENES.values(), ids=SCENES)
def test_killed_between_any_two_operations(
    before: dict[int, str], after: dict[int, str], run: RunFolder, lease: Lease, monkeypatch: pytest.MonkeyPatch
) -> None:
    for k in itertools.count():
        for name in [*run.label_files(), *(run.feature_files() if run.exists() else ())]:
            run.store.delete(name)
        if before:
            commit(run, lease, heard(before))
        through = False
        with killed_at(k, monkeypatch):
            try:
                commit(run, lease, heard(after, take=1))
                through = True
            except Killed:
                pass
        there = on_disk(run)
        for ear in EARS:
            assert labeled(run) <= takes(run, ear).keys(), "a labelled row has no features"
        run.sweep_features(run.committed(["s"]))
        left = {p: o for p, o in after.items() if there.get(p) in (None, "failed")}
        commit(run, lease, heard(left, take=2))
        for ear in EARS:
            found = takes(run, ear)
            assert found.keys() == labeled(run)
            untouched = {p for p in found if p not in after}
            assert {found[p] for p in untouched} <= {0} and all(found[p] == 2 for p in found if p in left)
        if through:
            break
    assert k >= 3


def test_features_of_chunks_that_are_no_more_are_swept(run: RunFolder, lease: Lease) -> None:
    commit(run, lease, heard({0: "labeled", 1: "labeled"}))
    commit(run, lease, heard({4: "labeled"}, start=4))
    commit(run, lease, heard({8: "labeled"}, start=8))
    chunks = run.chunk_files()["s"]
    run.store.delete(chunks[4]["labeled"])
    run.sweep_features({"another": {}})
    assert takes(run, "left").keys() == {0, 1, 4, 8}, "shards that are not named are left alone"
    run.sweep_features(run.committed(["s"]))
    for ear in EARS:
        assert takes(run, ear).keys() == {0, 1, 8}


def test_features_survive_the_way_through_the_graph() -> None:
    given = heard({0: "labeled"}).clips[0]["features"]
    table = pa.concat_tables([heard({0: "labeled"}).to_table()])
    (there,) = Chunk.from_table(table)
    assert there.clips[0]["features"] == given
