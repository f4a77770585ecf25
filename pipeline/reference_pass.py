"""The sampling pass: the statistics behind low, medium and high, from a sample that depends on the input alone.

A few shards are drawn by a hash of their names, for each language that the names show; of each, a fixed number of clips from
its beginning is measured. The result is written into the run folder before labelling starts, so a resumed run uses the same.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from annotators.base import Annotator
from annotators.style import reference_from
from manifests.errors import JobStopped
from manifests.run_folder import RunFolder, Shard
from pipeline.attempts import Attempts
from pipeline.config import RunConfig
from pipeline.source import ShardPlan

REFERENCE = "reference.json"


def draw(shards: Sequence[Shard], config: RunConfig, plan: ShardPlan) -> list[ShardPlan]:
    """Which clips are sampled: the first few of some shards. ``plan`` gives the settings that all plans share."""
    by_language: dict[str, list[Shard]] = {}
    for shard in shards:
        by_language.setdefault(shard.name.split("-")[0], []).append(shard)
    plans = []
    for members in by_language.values():
        drawn = sorted(members, key=lambda s: hashlib.blake2b(s.name.encode()).digest())[: config.reference.shards]
        each = -(-config.reference.clips // len(drawn))
        plans += [
            replace(plan, shard=shard, limit=each, clips_per_chunk=min(64, plan.clips_per_chunk)) for shard in drawn
        ]
    return plans


def reference(
    run: RunFolder,
    shards: Sequence[Shard],
    config: RunConfig,
    chain: Sequence[type[Annotator]],
    plan: ShardPlan,
    attempts: Attempts,
) -> Mapping[str, Any] | None:
    """The statistics of the run: read, or measured and written. None where no annotator needs them."""
    needing = [annotator for annotator in chain if annotator.needs_reference]
    if not needing:
        return None
    try:
        return dict(json.loads(run.store.read_text(REFERENCE)))
    except FileNotFoundError:
        pass
    from pipeline.engine import explained, graph, labelled

    dataset = graph(draw(shards, config, plan), needing, config.annotators, None, config.engine, attempts)
    rows = []
    with explained():
        for chunk in labelled(dataset):
            if chunk.fatal:
                raise JobStopped(chunk.fatal)
            rows += [(row["language"], row["style"]) for row in chunk.clips if row["style"]]
    found = {"version": 1, "clips": len(rows), **reference_from(rows, config.reference.min_clips)}
    run.store.write_text(REFERENCE, json.dumps(found, indent=2) + "\n")
    return found
