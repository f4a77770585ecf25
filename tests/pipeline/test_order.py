"""The label of a clip depends on the clip alone, not on its batch, its chunk or the order of the shards."""

from pathlib import Path

import pytest

from manifests.run_folder import RunFolder
from pipeline.config import load_config
from pipeline.label import label
from tests.pipeline.rows import assert_same, rows_of
from tests.speech import small_shards

pytestmark = pytest.mark.ray

SHARDS, CLIPS = 3, 40


def test_order_and_batching_do_not_matter(local_ray: object, shared_data: Path, tmp_path: Path) -> None:
    shards = small_shards(shared_data, tmp_path / "in", SHARDS, CLIPS)

    def run(name: str, inputs: list[Path], settings: str) -> RunFolder:
        profile = tmp_path / f"{name}.yaml"
        profile.write_text(settings)
        folder = RunFolder(str(tmp_path / name))
        label([str(path) for path in inputs], folder, load_config(str(profile)), str(profile))
        return folder

    single = rows_of(run("single", shards, "engine: {max_batch_clips: 1}"))
    batched = rows_of(run("batched", shards, "engine: {max_batch_clips: 32}"))
    shuffled = rows_of(run("shuffled", shards[::-1], "chunk: {clips: 7}\nengine: {max_batch_clips: 32}"))
    assert len(single) == SHARDS * CLIPS
    assert {row["outcome"] for row in single.values()} == {"labeled"}
    assert_same(single, batched, tolerance=1e-5)
    assert_same(single, shuffled, tolerance=1e-5)
