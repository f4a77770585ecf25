"""The labelling job with Emotion2Vec-S at full size: is anything but the network at work?

    python -m benchmarks.emotion2vec_s_job TARS... [--clips 240] [--chunk 16]

The weights are random: the time does not depend on them. The job is the real command with the annotators ``quality`` and
``emotion2vec_s``; of the latter a subclass notes when each call of the network's ``forward`` begins and ends, in every process.
The share is the sum of these times over all processes, divided by their number times the time from the first begin to the last
end. A process that never gets a clip counts with nothing; reading, decoding, padding, converting to float16 and writing, where
they keep a process from the network, lower the share. The times are those of the clock on the wall: on a machine that others use they
hold waiting for a core too, so the processor time is given beside them.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from annotators.emotion2vec_s import Emotion2VecS, Emotion2VecSOptions

ENTRY_POINT = "[emotrove.annotators]\nemotion2vec_s_timed = benchmarks.emotion2vec_s_job:Timed\n"
PROFILE = """
chunk: {{clips: {chunk}}}
annotators:
  style: null
  seed: null
  rationale: null
  emotion2vec_s_timed: {{weights: {weights}, dtype: {dtype}, batch_s: {batch_s}, times: {times}}}
"""


class TimedOptions(Emotion2VecSOptions):
    """``times`` is a folder for what is measured, a file for each process."""

    times: Path


class Timed(Emotion2VecS):
    """``emotion2vec_s``, which notes when its network begins and ends."""

    name = "emotion2vec_s_timed"
    Options = TimedOptions

    def load(self) -> None:
        import torch

        super().load()
        assert isinstance(self.options, TimedOptions) and self._network is not None
        notes = self.options.times / f"{os.getpid()}.jsonl"
        notes.write_text(json.dumps({"threads": torch.get_num_threads()}) + "\n")
        begun: list[tuple[float, float]] = []

        def begin(network: Any, given: Any) -> None:
            begun.append((time.monotonic(), time.process_time()))

        def end(network: Any, given: Any, output: Any) -> None:
            wall, processor = time.monotonic(), time.process_time()
            begin_wall, begin_processor = begun.pop()
            call = {"begin": begin_wall, "end": wall, "processor_s": processor - begin_processor}
            with notes.open("a") as file:
                file.write(json.dumps({**call, "clips": len(given[0]), "padded_s": given[0].numel() / 16_000}) + "\n")

        self._network.register_forward_pre_hook(begin)
        self._network.register_forward_hook(end)


def run(options: argparse.Namespace, folder: Path) -> tuple[Mapping[str, Any], list[list[dict[str, Any]]]]:
    """The real command; gives its last event, and what each process noted."""
    from transformers.utils import logging

    from model.emotion2vec_s import Emotion2VecS as Network
    from model.emotion2vec_s import Emotion2VecSConfig

    logging.disable_progress_bar()
    weights, times, site = folder / "weights", folder / "times", folder / "site" / "timed-1.dist-info"
    Network(Emotion2VecSConfig()).save_pretrained(weights)
    times.mkdir()
    site.mkdir(parents=True)
    (site / "METADATA").write_text("Metadata-Version: 2.1\nName: timed\nVersion: 1\n")
    (site / "entry_points.txt").write_text(ENTRY_POINT)
    profile = folder / "profile.yaml"
    given = {"chunk": options.chunk, "dtype": options.dtype, "batch_s": options.batch_s or "null"}
    profile.write_text(PROFILE.format(weights=weights, times=times, **given))
    here = Path(__file__).resolve().parents[1]
    path = os.pathsep.join(filter(None, [str(site.parent), str(here), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", "pipeline.cli", "label", *map(str, options.tars), str(folder / "run")]
    command += ["--profile", str(profile), "--json", *(["--limit", str(options.clips)] if options.clips else [])]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, "PYTHONPATH": path}
    )
    notes = [[json.loads(line) for line in file.read_text().splitlines()] for file in sorted(times.iterdir())]
    return json.loads(done.stdout.splitlines()[-1]), notes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("tars", nargs="+", type=Path)
    parser.add_argument("--clips", type=int, help="only the first so many")
    parser.add_argument("--chunk", type=int, default=16, help="clips that are committed together")
    parser.add_argument("--batch-s", type=float, help="seconds of audio that go through the network at once")
    parser.add_argument("--dtype", default="float32")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="emotrove-bench-") as temporary:
        event, notes = run(options, Path(temporary))
    calls = [call for note in notes for call in note[1:]]
    window_s = max(call["end"] for call in calls) - min(call["begin"] for call in calls)
    forward_s = sum(call["end"] - call["begin"] for call in calls)
    processor_s = sum(call["processor_s"] for call in calls)
    padded_s = sum(call["padded_s"] for call in calls)
    print(
        f"{event['labeled']:,} clips, {event['audio_s'] / 60:.1f} min of audio, {options.dtype}, on {os.cpu_count()} cores: "
        f"{len(notes)} processes with {'/'.join(str(note[0]['threads']) for note in notes)} threads, {len(calls)} calls of forward, "
        f"padding {padded_s / event['audio_s'] - 1:.1%}"
    )
    print(
        f"from the first call to the end of the last {window_s:.1f} s: {event['audio_s'] / window_s:.1f} hours of audio an hour; "
        f"the whole command, with starting Ray and loading, {event['elapsed_s']:.1f} s"
    )
    for note in notes:
        spent = sum(call["end"] - call["begin"] for call in note[1:])
        print(f"  a process: {len(note) - 1} calls, in forward {spent / window_s:.1%} of the time")
    print(
        f"share of the processes' time spent in forward: {forward_s / (len(notes) * window_s):.3f} (target: at least 0.85); "
        f"processor time in forward {processor_s / forward_s:.0%} of that"
    )


if __name__ == "__main__":
    main()
