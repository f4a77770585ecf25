"""Clips that kill the process they are in: they fail alone, and the job goes on."""

import os
from pathlib import Path

import pytest

from manifests.run_folder import RunFolder
from pipeline.status import status
from tests.pipeline.bad_shards import Speech, encoded
from tests.pipeline.command import emotrove, last_event
from tests.pipeline.rows import rows_of
from tests.speech import write_tar

pytestmark = pytest.mark.ray

DEADLY_FRAMES = 33_333

ANNOTATOR = """
import os, signal
from pathlib import Path
from annotators.base import Annotation, Annotator, Options


class DeadlyOptions(Options):
    ids: str


class Deadly(Annotator):
    name = "deadly"
    Options = DeadlyOptions

    def annotate(self, clips):
        if {clip.utterance_id for clip in clips} & set(Path(self.options.ids).read_text().split()):
            os.kill(os.getpid(), signal.SIGKILL)
        return [Annotation() for _ in clips]
"""

# Every Python of the job loads this at its start: a decoder that crashes on one clip.
DECODER = f"""
import os, signal
import soundfile

_read = soundfile.SoundFile.read


def read(self, *args, **kwargs):
    if self.frames == {DEADLY_FRAMES}:
        os.kill(os.getpid(), signal.SIGKILL)
    return _read(self, *args, **kwargs)


soundfile.SoundFile.read = read
"""


def test_a_clip_that_kills_its_process_fails_alone(speech: Speech, tmp_path: Path) -> None:
    deadly = tmp_path / "deadly"
    (deadly / "deadly-1.0.dist-info").mkdir(parents=True)
    (deadly / "deadly.py").write_text(ANNOTATOR)
    (deadly / "deadly-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: deadly\nVersion: 1.0\n")
    (deadly / "deadly-1.0.dist-info" / "entry_points.txt").write_text("[emotrove.annotators]\ndeadly = deadly:Deadly\n")
    (deadly / "sitecustomize.py").write_text(DECODER)
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(deadly), os.environ.get("PYTHONPATH", "")])}

    members = [m for n in range(10) for m in speech.clip(n)]
    undecodable = speech.spoilt("crash", encoded(speech.samples[:DEADLY_FRAMES], speech.rate))
    tar = write_tar(tmp_path / "EN-a.tar", [*members[:6], *undecodable, *members[6:]])
    ids = tmp_path / "ids"
    killers = {speech.good(5), speech.good(6)}  # of one chunk, and behind each other
    ids.write_text(" ".join(killers))
    profile = tmp_path / "my.yaml"
    profile.write_text(
        "profile: embedded\nchunk: {clips: 4}\n"
        f"annotators: {{style: null, seed: null, rationale: null, deadly: {{ids: '{ids}'}}}}\n"
    )
    run = tmp_path / "run"
    event = last_event(emotrove("label", tar, run, "--profile", profile, "--json", env=env))
    assert (event["labeled"], event["failed"]) == (8, 3)
    rows = rows_of(str(run))
    assert rows.keys() == {"crash", *(speech.good(n) for n in range(10))}
    ended = {name: (row["stage"], row["reason"]) for name, row in rows.items() if row["outcome"] != "labeled"}
    assert ended == {"crash": ("decode", "killed_process"), **dict.fromkeys(killers, ("deadly", "killed_process"))}
    assert all(row["quality"] for name, row in rows.items() if name != "crash")
    assert status(RunFolder(str(run))).complete

    # What is repaired is taken again.
    ids.write_text("")
    (deadly / "sitecustomize.py").unlink()
    event = last_event(emotrove("failures", run, "--retry", "--json", env=env))
    assert (event["labeled"], event["failed"]) == (3, 0)
    assert {row["outcome"] for row in rows_of(str(run)).values()} == {"labeled"}
