"""A real job with networks that give features: the table is complete and exact, whatever is wrong with the input or killed."""

import shutil
import signal
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

from manifests.features import values_of
from manifests.run_folder import RunFolder, features_file
from manifests.waveform import from_pcm16
from model.emotion2vec_s.loading import load_emotion2vec_s
from pipeline.config import load_config
from pipeline.decode import decode_row
from pipeline.label import label
from pipeline.source import ShardPlan, read_shard
from pipeline.status import status
from tests.annotators.small_emotion2vec import saved_network
from tests.model.emotion2vec_s.released.released_files import PLUS_LABELS
from tests.pipeline.bad_shards import CUT, IDS, Case, Speech, encoded, make_case
from tests.pipeline.command import cli, emotrove, last_event
from tests.pipeline.rows import rows_of
from tests.pipeline.test_resume import label_files, start, wait_for
from tests.speech import small_shards, write_tar

MODES = {"emotion2vec_s": "first_frames", "emotion2vec_plus": "mean"}
SHORTEST_S = 0.05
PROFILE = """
audio: {{min_duration_s: {shortest_s}}}
chunk: {{clips: 4, megabytes: 1}}
annotators:
  style: null
  seed: null
  rationale: null
  emotion2vec_s: {{weights: {folder}/mute, device: cpu}}
  emotion2vec_plus: {{weights: {folder}/plus, features: mean, device: cpu}}
engine: {{in_flight_megabytes: 32}}
"""


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("weights")
    saved_network(folder / "mute")
    saved_network(folder / "plus", PLUS_LABELS, normalize=True)
    path = folder / "profile.yaml"
    path.write_text(PROFILE.format(folder=folder, shortest_s=SHORTEST_S))
    return path


def assert_exact(run: RunFolder, profile: Path) -> int:
    """Each labelled utterance, and no other, has one row of each annotator, with the numbers of the network called directly.

    Gives the number of labelled utterances.
    """
    labeled = {
        (row["shard"], row["position"]): row["utterance_id"] for row in run.dataset(["labeled"]).to_table().to_pylist()
    }
    samples = {}
    for shard in run.shards():
        for chunk in read_shard(ShardPlan(shard)):
            for row in chunk.clips:
                decode_row(row, SHORTEST_S, 30.0)
                if (row["shard"], row["position"]) in labeled:
                    samples[row["shard"], row["position"]] = torch.from_numpy(from_pcm16(row["audio"]))
    for annotator, mode in MODES.items():
        rows = run.features([annotator]).to_table().to_pylist()
        assert sorted((r["shard"], r["position"], r["utterance_id"]) for r in rows) == sorted(
            (*place, name) for place, name in labeled.items()
        )
        network = load_emotion2vec_s(str(profile.parent / ("plus" if "plus" in annotator else "mute")))
        equal = []
        for row in rows:
            with torch.no_grad():
                expected = network(samples[row["shard"], row["position"]][None]).utterance(mode)[0].numpy()
            assert (row["annotator"], row["mode"], row["shape"]) == (annotator, mode, list(expected.shape))
            found = values_of(row)
            # A number between two of float16 may fall to either where the batch was another.
            np.testing.assert_allclose(found.astype(np.float32), expected, rtol=2**-10, atol=1e-4)
            equal.append(float((found == expected.astype(np.float16)).mean()))
        assert np.mean(equal) > 0.99
    return len(labeled)


@dataclass
class Done:
    run: RunFolder
    case: Case


@pytest.fixture(scope="module")
def done(local_ray: object, speech: Speech, profile: Path, tmp_path_factory: pytest.TempPathFactory) -> Done:
    """ONE job over everything that can be wrong, and a clip that is long enough for the job but not for the network."""
    root = tmp_path_factory.mktemp("job")
    case = make_case(speech, root / "in")
    begin = len(speech.samples) // 2  # where somebody speaks
    short = speech.spoilt("short", encoded(speech.samples[begin : begin + round(0.2 * speech.rate)], speech.rate))
    write_tar(case.folder / "EN-short.tar", [*speech.clip(20), *short, *speech.clip(21)])
    run = RunFolder(str(root / "run"))
    inputs = [str(case.folder / name) for name in ("*.tar", "EN-files", "EN-list.jsonl")]
    label(inputs, run, load_config(str(profile)), str(profile))
    return Done(run, case)


@pytest.mark.ray
def test_features_are_those_of_the_labelled_rows(done: Done, profile: Path, speech: Speech) -> None:
    assert assert_exact(done.run, profile) > 30
    account = status(done.run)
    assert account.unreconciled == [] and account.failed > 8 and account.rejected > 5
    assert account.features == dict.fromkeys(MODES, account.labeled)
    # The same id in two shards has features in both, as it has labels.
    twice = [
        r["shard"]
        for r in done.run.features(["emotion2vec_s"]).to_table().to_pylist()
        if r["utterance_id"] == speech.good(0)
    ]
    assert IDS in twice and len(twice) == 2


@pytest.mark.ray
def test_a_clip_too_short_for_the_network_fails_alone(done: Done, speech: Speech) -> None:
    rows = {r["utterance_id"]: r for r in done.run.dataset().to_table().to_pylist() if r["shard"] == "EN-short"}
    assert {name: row["outcome"] for name, row in rows.items()} == {
        speech.good(20): "labeled",
        "short": "failed",
        speech.good(21): "labeled",
    }
    short = rows["short"]
    assert (short["stage"], short["reason"]) == ("emotion2vec_s", "annotator_error")
    assert "the clip is too short: it has 0.200 s and 'first_frames' takes 10 frames" in short["detail"]


@pytest.mark.ray
def test_votes_go_to_the_labels(done: Done) -> None:
    for row in done.run.dataset(["labeled"]).to_table().to_pylist():
        (vote,) = row["votes"]
        assert vote["voter"] == "emotion2vec_plus" and len(vote["scores"]) == 9


@pytest.mark.ray
def test_a_repaired_shard_is_retried_with_its_features(done: Done, profile: Path, tmp_path: Path) -> None:
    run = RunFolder(str(tmp_path / "run"))
    shutil.copytree(done.run.store.path(), run.store.path())
    before = status(run).labeled
    tar = done.case.folder / f"{CUT}.tar"
    cut = tar.read_bytes()
    try:
        tar.write_bytes(done.case.whole_cut_tar)
        assert "3 of 13 shards could not be read" in cli("failures", run.store.path(), "--retry", "--json").stderr
        assert assert_exact(run, profile) == before + 2
        assert status(run).unreconciled == []
    finally:
        tar.write_bytes(cut)


@pytest.mark.ray
def test_status_sees_what_is_amiss(done: Done, tmp_path: Path) -> None:
    run = RunFolder(str(tmp_path / "run"))
    shutil.copytree(done.run.store.path(), run.store.path())
    name = features_file("emotion2vec_plus", "EN-clean", 0)
    kept = run.store.read_bytes(name)
    run.store.delete(name)
    assert status(run).unreconciled == ["EN-clean: 4 are labeled, 0 have features of emotion2vec_plus"]
    run.store.write_bytes(name, kept)
    assert status(run).unreconciled == []
    run.store.write_bytes(features_file("emotion2vec_plus", "EN-clean", 4), kept)
    assert status(run).unreconciled == ["EN-clean: 4 rows of the features of emotion2vec_plus are there twice"]
    run.store.delete(features_file("emotion2vec_plus", "EN-clean", 4))
    run.store.write_bytes(name, kept[:100])
    assert status(run).unreconciled == [
        f"{name} is damaged and cannot be read",
        "EN-clean: 4 are labeled, 0 have features of emotion2vec_plus",
    ]
    shown = cli("status", run.store.path())
    assert shown.exit_code == 1 and "features of emotion2vec_s: " in shown.output


@pytest.mark.ray
def test_weights_are_checked_before_anything_starts(speech: Speech, profile: Path, tmp_path: Path) -> None:
    tar = write_tar(tmp_path / "EN-a.tar", speech.clip(0))
    mine = tmp_path / "my.yaml"
    mine.write_text(profile.read_text().replace("/mute", "/none"))
    said = emotrove("label", tar, tmp_path / "run", "--profile", mine)
    assert (said.returncode, said.stderr) == (
        1,
        f"emotrove: annotators.emotion2vec_s.weights: No such folder: {profile.parent}/none\n",
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.ray
@pytest.mark.slow
def test_killed_and_resumed(shared_data: Path, profile: Path, tmp_path: Path) -> None:
    """SIGKILL the driver at four moments of one run, starting again each time."""
    shards, clips = 2, 32
    tars = small_shards(shared_data, tmp_path / "shards", shards, clips)
    run = tmp_path / "run"

    def features_there(at_least: int) -> bool:
        return len(list(run.glob("features/*/*.parquet"))) >= at_least

    kills = 0
    for moment in (
        lambda run: features_there(1),
        lambda run: label_files(run) >= 3,
        lambda run: features_there(12),
        lambda run: label_files(run) >= 12,
    ):
        job = start(tars, run, profile)
        if wait_for(moment, run, job):
            job.send_signal(signal.SIGKILL)
            kills += 1
        job.wait()
    assert kills == 4
    last_event(emotrove("label", *tars, run, "--profile", profile, "--json"))
    folder = RunFolder(str(run))
    assert len(rows_of(folder)) == shards * clips
    assert assert_exact(folder, profile) == shards * clips
    assert status(folder).complete
