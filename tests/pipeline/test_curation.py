"""Curating a run, and what the command says of it."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from manifests.errors import RunFolderError
from manifests.review import ADJUDICATION, LEDGER
from manifests.review_folder import CURATED_FILE, ReviewFolder
from manifests.run_folder import RunFolder, encode_parquet
from pipeline.curation import curate_run
from tests.pipeline.command import cli
from tests.pipeline.reviewed_run import NOON, heard, reviewed_run
from tests.pipeline.small_run import finished_run
from tests.pipeline.small_shard import clip, shard_of

CLIPS = [
    heard("c1", "sad", "sad"),
    heard("c2", "happy", "happy", arm="control"),
    heard("c3", "happy", "sad", "happy", language="zh"),
    heard("c4", "happy", "sad", "no_agreement"),
    heard("c5", "happy", "sad"),
    heard("c6", "bad_audio", "not_speech"),
    heard("c7", "sad"),
    heard("c8"),
    heard("c9", "angry", "angry", arm="gold", gold_emotion="angry"),
]


def test_the_account(tmp_path: Path) -> None:
    run = reviewed_run(tmp_path, CLIPS)
    found = curate_run(run)
    assert found.clips == 9
    assert found.statuses == {"verified": 3, "adjudicated": 1, "no_agreement": 1, "unusable": 1, "pending": 3}
    assert found.emotions == {
        "en": {
            "verified": {"angry": 1, "happy": 1, "sad": 1},
            "no_agreement": {"": 1},
            "unusable": {"": 1},
            "pending": {"": 3},
        },
        "zh": {"adjudicated": {"happy": 1}},
    }
    assert found.arms == {
        "control": {"verified": 1},
        "gold": {"verified": 1},
        "selected": {"adjudicated": 1, "no_agreement": 1, "unusable": 1, "verified": 1, "pending": 3},
    }
    assert found.reasons == {
        "no_agreement": {"adjudicator_no_agreement": 1},
        "unusable": {"bad_audio+not_speech": 1},
        "pending": {"conflict": 1, "no_answer": 1, "one_answer": 1},
    }
    assert found.next == [
        f"2 clips with the experts; when they have answered more: emotrove review pull {run}",
        f"1 clip on which the experts differ: emotrove review adjudicate {run}",
        f"3 clips ready for a release: emotrove export {run} OUT --verified",
    ]
    curated = {row["utterance_id"]: row for row in ReviewFolder(run).curated().to_pylist()}
    assert curated["c3"]["emotion"] == "happy" and len(curated["c3"]["answers"]) == 3


def test_curating_again_gives_the_same_bytes(tmp_path: Path) -> None:
    run = reviewed_run(tmp_path, CLIPS)
    curate_run(run)
    first = run.store.read_bytes(CURATED_FILE)
    curate_run(run)
    assert run.store.read_bytes(CURATED_FILE) == first
    # The same answers in two files instead of one.
    review = ReviewFolder(run)
    ledger = review.ledger()
    run.store.delete("review/ledger/000000.parquet")
    review.append_ledger(ledger.slice(0, 3))
    review.append_ledger(ledger.slice(3))
    curate_run(run)
    assert run.store.read_bytes(CURATED_FILE) == first


def test_a_new_answer_changes_what_is_curated(tmp_path: Path) -> None:
    run = reviewed_run(tmp_path, CLIPS)
    curate_run(run)
    review = ReviewFolder(run)
    row = next(row for row in review.ledger().to_pylist() if row["utterance_id"] == "c7")
    task = next(t for t in review.tasks(["B"]).to_pylist() if t["utterance_id"] == "c7")
    more = {"seq": 999, "slot": "B", "annotation_id": 77, "annotator": "bob@lab.example.org"}
    given = {"project_id": task["project_id"], "task_id": task["task_id"], "pulled_at": NOON}
    review.append_ledger(pa.Table.from_pylist([{**row, **more, **given}], schema=LEDGER))
    assert curate_run(run).statuses["verified"] == 4


def test_what_to_do_next(tmp_path: Path) -> None:
    run = reviewed_run(tmp_path, CLIPS, settings=False)
    assert curate_run(run).next == [f"The projects are not made yet: emotrove review init {run}"]
    ReviewFolder(run).write_settings({})
    run.store.delete("review/tasks/B-000000.parquet")
    run.store.delete("review/ledger/000000.parquet")
    assert curate_run(run).next == [f"9 clips not in Label Studio yet: emotrove review push {run}"]
    settled = [heard("c1", "sad", "happy", "sad")]
    run = reviewed_run(tmp_path / "other", settled)
    ledger = ReviewFolder(run).ledger().to_pylist()
    run.store.delete("review/ledger/000000.parquet")
    experts = [row for row in ledger if row["slot"] != ADJUDICATION]
    ReviewFolder(run).append_ledger(pa.Table.from_pylist(experts, schema=LEDGER))
    assert curate_run(run).next == [
        f"1 clip with the adjudicator; when more are settled: emotrove review pull {run}",
    ]


def test_nothing_to_curate(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="not a run folder"):
        curate_run(RunFolder(str(tmp_path / "none")))
    run = finished_run(tmp_path / "run", shard_of(tmp_path / "in", "A", [clip("a", "sad")]))
    with pytest.raises(RunFolderError, match="No clip of .* goes to experts yet.*emotrove route"):
        curate_run(run)
    with pytest.raises(RunFolderError, match="nothing curated yet.*emotrove curate"):
        ReviewFolder(run).curated()


@pytest.mark.parametrize("data", [b"damaged", encode_parquet(pa.table({"of": ["another version"]}))])
def test_a_file_that_cannot_be_used_is_made_again(tmp_path: Path, data: bytes) -> None:
    run = reviewed_run(tmp_path, CLIPS)
    run.store.write_bytes(CURATED_FILE, data)
    with pytest.raises(RunFolderError, match="Make it again with: emotrove curate"):
        ReviewFolder(run).curated()
    curate_run(run)
    assert ReviewFolder(run).curated().num_rows == len(CLIPS)


def test_the_command(tmp_path: Path) -> None:
    run = reviewed_run(tmp_path, CLIPS)
    done = cli("curate", run)
    assert done.exit_code == 0
    assert "9 clips in review: 3 verified, 1 adjudicated, 1 no_agreement, 1 unusable, 3 pending" in done.stdout
    assert "pending: conflict 1, no_answer 1, one_answer 1" in done.stdout
    assert f"emotrove review adjudicate {run}" in done.stdout
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["en", "verified", "1", "0", "0", "1", "0", "1", "0", "3"] in rows
    assert ["zh", "0", "1", "0", "0", "0"] in rows
    assert ["control", "1", "0", "0", "0", "0"] in rows
    assert json.loads(cli("curate", run, "--json").stdout)["statuses"]["adjudicated"] == 1
    gone = cli("curate", tmp_path / "none")
    assert gone.exit_code == 1 and "is not a run folder" in gone.stderr
