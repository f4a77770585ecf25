"""Reading, decoding and resampling through the datasource, against a bare loop over the same files.

    python -m benchmarks.read_decode TARS... [--copies 10] [--pairs 3]

Timed on both sides: read the tar, decode, mix to mono, resample to 16 kHz, round to PCM16. The peer is a multiprocess loop of
tarfile + libsndfile + soxr with one process per core, whose pool has already started; the datasource runs on a Ray that has
already started, with two read tasks per core, so that a core has work while Ray starts the next task; its chunks are received
by the driver. The two take turns; the figure is the median ratio.
"""

import argparse
import hashlib
import io
import logging
import multiprocessing
import os
import statistics
import tarfile
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

from benchmarks.copies import copies
from manifests.inputs import find_shards
from manifests.waveform import resample, to_pcm16
from pipeline.attempts import Attempts
from pipeline.decode import decode_row
from pipeline.source import ShardPlan, ShardSource, read_shard


def bare(tar: str) -> tuple[int, float]:
    """Clips and seconds of one tar, in as few lines as it takes."""
    clips, seconds = 0, 0.0
    with tarfile.open(tar) as file:
        for info in file:
            if info.name.endswith(".json"):
                continue
            samples, rate = sf.read(io.BytesIO(file.extractfile(info).read()), dtype="float32", always_2d=True)  # type: ignore[union-attr]
            mono = samples[:, 0] if samples.shape[1] == 1 else samples.mean(axis=1)
            heard = soxr.resample(mono, rate, 16_000, quality="HQ")
            np.clip(np.rint(heard * 32768.0), -32768, 32767).astype("<i2").tobytes()
            clips, seconds = clips + 1, seconds + len(mono) / rate
    return clips, seconds


def through_datasource(plans: list[ShardPlan]) -> tuple[int, float]:
    """The same through Ray Data; every chunk reaches the driver."""
    import ray
    from ray.data import DataContext

    context = DataContext.get_current()
    context.target_max_block_size = None
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    clips, pcm_bytes = 0, 0
    dataset = ray.data.read_datasource(ShardSource(plans, Attempts()), override_num_blocks=len(plans), num_cpus=0.5)
    for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        for chunk in batch["clips"].chunks:  # type: ignore[union-attr]
            rows = chunk.flatten()
            clips += len(rows)
            pcm_bytes += rows.field("audio").nbytes
    return clips, pcm_bytes / 32_000


def profile(plan: ShardPlan) -> dict[str, float]:
    """Seconds of one core by part, for one shard in this process."""
    parts = dict.fromkeys(
        ("tar, JSON, ids", "decode", "resample", "PCM16", "sha256", "all of decode_row", "to Arrow"), 0.0
    )

    def timed(part: str, started: float) -> float:
        now = time.perf_counter()
        parts[part] += now - started
        return now

    chunks = []
    started = time.perf_counter()
    for chunk in read_shard(plan):
        timed("tar, JSON, ids", started)
        chunks.append(chunk)
        for row in chunk.clips:
            started = time.perf_counter()
            hashlib.sha256(row["audio"]).hexdigest()
            started = timed("sha256", started)
            samples, rate = sf.read(io.BytesIO(row["audio"]), dtype="float32", always_2d=True)
            started = timed("decode", started)
            heard = resample(samples[:, 0], rate)
            started = timed("resample", started)
            to_pcm16(heard)
            started = timed("PCM16", started)
            decode_row(row, plan.min_duration_s, plan.max_duration_s)
            timed("all of decode_row", started)
        started = time.perf_counter()
        chunk.to_table()
        timed("to Arrow", started)
        started = time.perf_counter()
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("tars", nargs="+", type=Path)
    parser.add_argument("--copies", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=3)
    options = parser.parse_args()
    import ray

    from pipeline.config import EngineConfig
    from pipeline.engine import start

    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory(prefix="emotrove-bench-") as folder:
        paths = copies(options.tars, Path(folder), options.copies)
        plans = [ShardPlan(shard) for shard in find_shards([str(path) for path in paths])]
        start(EngineConfig())
        through_datasource(plans[: 2 * cores])  # workers have started and imported what they need
        ratios = []
        with multiprocessing.get_context("spawn").Pool(cores) as pool:
            pool.map(bare, [str(path) for path in paths[:cores]], chunksize=1)
            for _ in range(options.pairs):
                started = time.perf_counter()
                found = pool.map(bare, [str(path) for path in paths], chunksize=1)
                bare_s = time.perf_counter() - started
                clips, seconds = sum(c for c, _ in found), sum(s for _, s in found)
                started = time.perf_counter()
                ours = through_datasource(plans)
                ours_s = time.perf_counter() - started
                assert ours[0] == clips and abs(ours[1] - seconds) < seconds / 1000, (ours, clips, seconds)
                ratios.append(ours_s / bare_s)
                print(
                    f"{clips:,} clips, {seconds / 3600:.2f} h, {cores} cores: bare {bare_s:.2f} s "
                    f"({seconds / bare_s / cores:,.0f} x real time per core), datasource {ours_s:.2f} s, ratio {ratios[-1]:.3f}",
                    flush=True,
                )
        print(f"median ratio {statistics.median(ratios):.3f} (target: at most 1.6)")
        parts = profile(plans[0])
        total = parts["tar, JSON, ids"] + parts["all of decode_row"] + parts["to Arrow"]
        print("where the time of a read task goes (one shard, one core, without Ray):")
        for part, spent in parts.items():
            print(f"  {part:18} {spent * 1000:7.1f} ms  {spent / total:5.1%}")
        work_s = total * len(plans) / cores
        print(
            f"all read tasks: {work_s:.1f} s of {ours_s:.1f} s; the rest is Ray: starting tasks, object store, driver"
        )
        ray.shutdown()


if __name__ == "__main__":
    main()
