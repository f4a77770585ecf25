"""Routing of a run of five million utterances: time, peak memory, and the ratio to reading the columns it needs.

    python -m benchmarks.routing [--rows 5000000] [--folder FOLDER] [--pairs 3]

The run is made once and stays in the folder (1.5 GB, three minutes). Timed is the real command in a process of its own, from its
start to its end: the first routing, and a second one that finds all quotas full. The lower bound, in the same run and in a
process of its own, is one scan by DuckDB of the same files and columns that keeps nothing. Machines are shared, so the
seconds of processor time are given beside those of the clock. Page caches are warm for both: the scan runs first.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.large_run import large_run
from manifests.command_line import bar

SCAN = """
import sys, duckdb
from manifests.run_folder import RunFolder
run = RunFolder(sys.argv[1])
names = [run.store.path(name) for name in run.label_files(["labeled"])]
with duckdb.connect() as db:
    db.execute("SET preserve_insertion_order = false")
    print(db.execute(
        "SELECT count(*), max(hash(used)) FROM (SELECT utterance_id, shard, position, language, source_id, duration_s, text, "
        "transcript.text AS said, consensus.emotion AS emotion, consensus.confidence AS confidence, "
        "consensus.agreement AS agreement, consensus.n_votes AS n_votes "
        "FROM read_parquet($names, hive_partitioning = false)) AS used", {"names": names}).fetchall()[0][0])
"""


@dataclass(frozen=True)
class Measured:
    """A process from start to end."""

    seconds: float
    cpu_seconds: float
    peak_mib: float  # resident memory
    out: str

    def __str__(self) -> str:
        return f"{self.seconds:.1f} s ({self.cpu_seconds:.1f} s of processor time), {self.peak_mib:,.0f} MiB at most"


def measured(*command: str) -> Measured:
    with tempfile.TemporaryFile("w+") as out:
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, *command], stdout=out)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        if status:
            raise SystemExit(f"{command} ended with {os.waitstatus_to_exitcode(status)}")
        out.seek(0)
        return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, out.read())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "emotrove-routing-benchmark")
    parser.add_argument("--pairs", type=int, default=3, help="of scan and routing; the median is given")
    args = parser.parse_args()
    with bar("making the run") as listen:
        run = large_run(args.folder / f"run-{args.rows}", args.rows, listen)
    scans, routings, again = [], [], []
    command = ("-m", "pipeline.cli", "route", str(run), "--per-source", "3", "--per-text", "1", "--json")
    for _ in range(args.pairs):
        shutil.rmtree(run.store.path("routes"), ignore_errors=True)
        scans.append(measured("-c", SCAN, str(run)))
        routings.append(measured(*command))
        again.append(measured(*command))
    print(f"rows {args.rows:,}, files {len(run.label_files(['labeled'])):,}, cores {os.cpu_count()}")
    medians = []
    for name, runs in (("scan", scans), ("route", routings), ("route again", again)):
        medians.append(sorted(runs, key=lambda one: one.cpu_seconds)[len(runs) // 2])
        print(f"{name}: {medians[-1]}; fastest {min(one.seconds for one in runs):.1f} s")
    scan, first, second = medians
    found, later = json.loads(first.out), json.loads(second.out)
    assert later["review_new"] == 0 and later["review"] == found["review"]
    print(f"in review {found['review']:,}, held {sum(found['held'].values()):,}: {found['held']}")
    print(
        f"route / scan: {first.cpu_seconds / scan.cpu_seconds:.2f} of processor time, {first.seconds / scan.seconds:.2f} of time"
    )


if __name__ == "__main__":
    main()
