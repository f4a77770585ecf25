"""The whole embedded job against a plain loop over the same annotators, and its memory at two sizes.

    python -m benchmarks.embedded_job TARS... [--copies 10] [--pairs 1]

Speed: the peer is a multiprocess loop, one process per core with the annotators loaded before the clock starts, which reads,
decodes and annotates, and writes nothing. The job is the real command; its clock starts when Ray is up and runs to the end:
starting the actors, the sampling pass, the Parquet files, the markers and the search for ids used twice are all inside.
Memory: the sum of the proportional set sizes (shared pages counted once) of the driver, Ray and the workers, sampled; at the
tars as they are and at all copies.
"""

import argparse
import json
import multiprocessing
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.copies import copies
from manifests.inputs import find_shards
from manifests.run_folder import Shard
from pipeline.chain import Chain, finish
from pipeline.config import load_config
from pipeline.decode import decode_row
from pipeline.source import ShardPlan, read_shard

SAMPLE_EVERY_S = 2.0
_chain: Chain | None = None


def load(reference: dict[str, Any]) -> None:
    """Set a process of the plain loop up."""
    global _chain
    import torch

    torch.set_num_threads(
        1
    )  # as Ray does for its workers; two processes with two threads each would be in each other's way
    config = load_config("embedded")
    _chain = Chain([(a.name, config.annotators[a.name]) for a in config.chain()], reference)


def plain(shard: Shard) -> tuple[int, float]:
    """Clips and seconds of one shard, read, decoded and annotated."""
    assert _chain is not None
    clips, seconds = 0, 0.0
    plan = ShardPlan(shard)
    for chunk in read_shard(plan):
        for row in chunk.clips:
            decode_row(row, plan.min_duration_s, plan.max_duration_s)
            seconds += row["duration_s"]
        _chain(chunk.clips)
        finish(chunk.clips)
        clips += len(chunk.clips)
    return clips, seconds


class MemoryWatch(threading.Thread):
    """Peak of the summed proportional set sizes of a process and all below it."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.root, self.peak = psutil.Process(pid), 0
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(SAMPLE_EVERY_S):
            total = 0
            for process in [self.root, *self.root.children(recursive=True)]:
                try:
                    total += process.memory_full_info().pss
                except psutil.Error:
                    continue
            self.peak = max(self.peak, total)


def job(paths: list[Path], run: Path) -> tuple[dict[str, Any], float, int]:
    """The real command: its last event, seconds after Ray has started, and peak memory in bytes."""
    command = [sys.executable, "-m", "pipeline.cli", "label", *map(str, paths), str(run), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    watch = MemoryWatch(process.pid)
    watch.start()
    assert process.stdout is not None
    events = [json.loads(line) for line in process.stdout]
    watch.stopped.set()
    assert process.wait() == 0
    ray_up_s = next(event["elapsed_s"] for event in events if event.get("stage") == "sampling")
    return events[-1], events[-1]["elapsed_s"] - ray_up_s, watch.peak


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("tars", nargs="+", type=Path)
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=1)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="emotrove-bench-") as temporary:
        folder = Path(temporary)
        paths = copies(options.tars, folder / "shards", options.copies)
        shards = find_shards([str(path) for path in paths])
        event, small_s, small_peak = job(paths[: len(options.tars)], folder / "small")
        reference = json.loads((folder / "small" / "reference.json").read_text())
        print(f"{event['rows']:,} clips: job {small_s:.1f} s, peak memory {small_peak / 2**20:,.0f} MiB", flush=True)
        ratios = []
        with multiprocessing.get_context("spawn").Pool(cores, load, (reference,)) as pool:
            pool.map(plain, shards[:cores], chunksize=1)
            for pair in range(options.pairs):
                started = time.perf_counter()
                found = pool.map(plain, shards, chunksize=1)
                plain_s = time.perf_counter() - started
                seconds = sum(s for _, s in found)
                event, job_s, peak = job(paths, folder / f"run{pair}")
                assert event["rows"] == sum(c for c, _ in found), (event, len(found))
                ratios.append(job_s / plain_s)
                print(
                    f"{event['rows']:,} clips, {seconds / 3600:.2f} h, {cores} cores: plain loop {plain_s:.1f} s "
                    f"({seconds / plain_s / cores:,.0f} x real time per core), job {job_s:.1f} s, ratio {ratios[-1]:.3f}; "
                    f"peak memory {peak / 2**20:,.0f} MiB, {peak / small_peak:.3f} of that at {len(options.tars)} shards",
                    flush=True,
                )
        print(f"median ratio {statistics.median(ratios):.3f} (target: at most 1.35)")


if __name__ == "__main__":
    main()
