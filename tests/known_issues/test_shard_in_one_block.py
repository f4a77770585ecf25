"""Ray once gathered all chunks of a shard into one block: one process annotated them all, and none was committed before the last."""

from pathlib import Path

import pytest

from manifests.inputs import find_shards
from pipeline.attempts import Attempts
from pipeline.config import EngineConfig, RunConfig
from pipeline.engine import graph
from pipeline.source import ShardPlan
from tests.speech import small_shards


@pytest.mark.ray
def test_a_block_is_a_chunk(local_ray: object, shared_data: Path, tmp_path: Path) -> None:
    shards = find_shards([str(path) for path in small_shards(shared_data, tmp_path, 2, 10)])
    config = RunConfig(annotators={"quality": {}})
    plans = [ShardPlan(shard, clips_per_chunk=4) for shard in shards]
    dataset = graph(plans, config.chain(), config.annotators, None, EngineConfig(), Attempts())
    blocks = [bundle.num_rows() for bundle in dataset.iter_internal_ref_bundles()]
    assert blocks == [1] * 6
