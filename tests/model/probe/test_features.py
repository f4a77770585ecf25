"""Features of a clip: the network's own, whatever batch the clip was in."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import soundfile as sf
import torch

from manifests.errors import InputError, RunFolderError
from manifests.features import FEATURES, encode_features, feature
from manifests.run_folder import RunFolder, features_file
from model.emotion2vec_s import Emotion2VecS, UtteranceMode
from model.emotion2vec_s.batches import padded
from model.probe import extract, table_features
from model.speech import SpeechClip, load_waveform, read_speech
from tests.model.emotion2vec_s.golden import small_config
from tests.pipeline.small_run import finished_run


@pytest.fixture(scope="module")
def model() -> Emotion2VecS:
    torch.manual_seed(0)
    return Emotion2VecS(small_config()).eval()


def a_clip(folder: Path, name: str, samples: int) -> SpeechClip:
    sound = 0.1 * np.sin(np.arange(samples) ** 1.2 / 30)
    buffer = io.BytesIO()
    sf.write(buffer, sound, 16_000, format="WAV")
    (folder / f"{name}.wav").write_bytes(buffer.getvalue())
    return SpeechClip(name, f"{folder / name}.wav#0+{len(buffer.getvalue())}")


def test_features_are_those_of_each_clip_alone(model: Emotion2VecS, shared_data: Path) -> None:
    clips = read_speech([str(shared_data / "ravdess" / "EN-B000000.tar")]).clips[::20]
    modes: tuple[UtteranceMode, ...] = ("mean", "tokens", "first_frames")
    for mode in modes:
        done: list[int] = []
        found = extract(model, clips, mode, batch_s=20, progress=lambda n, _, done=done: done.append(n))  # type: ignore[misc]
        assert found.shape == (len(clips), 96) and found.dtype == np.float32
        assert done[-1] == len(clips) and len(done) > 2
        for clip, vector in zip(clips, found, strict=True):
            with torch.inference_mode():
                alone = model(torch.from_numpy(load_waveform(clip))[None]).utterance(mode)
            expected = alone[0] if mode == "mean" else alone[0].mean(0)
            np.testing.assert_allclose(vector, expected.numpy(), atol=1e-4)
    half = extract(model, clips[:4], dtype=torch.bfloat16)
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, extract(model, clips[:4]), atol=0.15)


def test_the_network_stays_as_it_is(model: Emotion2VecS, tmp_path: Path) -> None:
    clips = [a_clip(tmp_path, "a", 9000), a_clip(tmp_path, "b", 16_000)]
    expected = extract(model, clips)
    model.train()
    try:
        assert np.array_equal(extract(model, clips), expected), "without dropout"
        assert model.training
    finally:
        model.eval()


def test_a_clip_that_is_too_short_is_named(model: Emotion2VecS, tmp_path: Path) -> None:
    clips = [a_clip(tmp_path, "long", 16_000), a_clip(tmp_path, "short", 2000)]
    assert extract(model, clips).shape == (2, 96)
    with pytest.raises(InputError, match=r"short \(.*short\.wav#.*\) is too short"):
        extract(model, clips, "first_frames")


def test_clips_are_padded_with_silence() -> None:
    samples, lengths = padded([np.ones(3, np.float32), np.ones(5, np.float32)])
    assert samples.tolist() == [[1, 1, 1, 0, 0], [1] * 5] and lengths.tolist() == [3, 5]


def run_with_features(folder: Path, values: dict[str, dict[str, np.ndarray]]) -> RunFolder:
    """A run of these shards, in this order, with the features of each id as the annotator ``net`` gave them."""
    rows = [
        {"utterance_id": name, "shard": shard, "position": i, "votes": []}
        for shard, by_id in values.items()
        for i, name in enumerate(by_id)
    ]
    run = finished_run(folder, rows)
    run.write_run({**run.require(), "features": ["net"]})
    for shard, by_id in values.items():
        table = [
            {"utterance_id": name, "shard": shard, "position": i, **feature("net", "1", "tokens", value)}
            for i, (name, value) in enumerate(by_id.items())
        ]
        content = encode_features(pa.Table.from_pylist(table, schema=FEATURES))
        run.store.write_bytes(features_file("net", shard, 0), content)
    return run


def test_features_of_a_table(tmp_path: Path) -> None:
    values = {name: np.random.default_rng(i).standard_normal((10, 4)) for i, name in enumerate("ab")}
    run = run_with_features(tmp_path / "run", {"S": values})
    clips = [SpeechClip("b", "x#0+1"), SpeechClip("a", "x#0+1")]
    found, kinds = table_features(run, "net", clips)
    assert kinds == ["tokens (version 1)"]
    np.testing.assert_allclose(found, [values["b"].mean(0), values["a"].mean(0)], atol=1e-3)
    with pytest.raises(InputError, match="no features of 'net' for 1 clips, such as c"):
        table_features(run, "net", [*clips, SpeechClip("c", "x#0+1")])
    with pytest.raises(RunFolderError, match="no features of 'other'"):
        table_features(run, "other", clips)


def test_of_an_id_used_twice_the_features_are_those_of_the_clip_that_counts(tmp_path: Path) -> None:
    """The input names the shards in another order than that of their files."""
    heard = {"zh": {"a": np.full((1, 4), 1.0)}, "en": {"b": np.full((1, 4), 2.0), "a": np.full((1, 4), 3.0)}}
    run = run_with_features(tmp_path / "run", heard)
    assert [shard.name for shard in run.shards()] == ["zh", "en"]
    found, _ = table_features(run, "net", [SpeechClip("a", "x#0+1"), SpeechClip("b", "x#0+1")])
    assert found.tolist() == [[1.0] * 4, [2.0] * 4]
