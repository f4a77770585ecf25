"""Clips that kill the process they are in: they fail alone, and the job goes on."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from manifests.emilia import PENDING, Row
from manifests.run_folder import RunFolder
from pipeline.attempts import HOPELESS, TRIES, Attempts, Board, Work
from pipeline.chunks import Chunk
from pipeline.status import status
from tests.pipeline.bad_shards import Speech, encoded
from tests.pipeline.command import emotrove, last_event
from tests.pipeline.rows import rows_of
from tests.speech import write_tar


class Death(BaseException):
    """The end of a process."""


class Alone(Attempts):
    """Attempts without Ray. Whoever dies calls nothing off."""

    def __init__(self) -> None:
        self._board = Board()
        self._dead = False

    def _begin(self, work: Work, token: str) -> int:
        return self._board.begin(work, token)

    def _over(self, work: Work, token: str) -> None:
        if not self._dead:
            self._board.over(work, token)

    def die(self) -> None:
        self._dead = True
        raise Death

    def live_again(self) -> None:
        self._dead = False


def a_chunk(start: int, rows: int) -> Chunk:
    clips: list[Row] = [{"shard": "EN-a", "position": start + n, "outcome": PENDING, "audio": b""} for n in range(rows)]
    return Chunk("EN-a", start, rows, clips)


def deaths(attempts: Alone, starts: Sequence[int], killers: set[int], rows: int = 8) -> tuple[int, list[Chunk]]:
    """How many processes a shard of these chunks costs, if each new process begins with the first; and the chunks."""
    died = 0

    def step(row: Row) -> None:
        if row["position"] in killers:
            attempts.die()
        row["done"] = True

    def whole(of: Sequence[Row]) -> None:
        for row in of:
            step(row)

    while True:
        chunks = [a_chunk(start, rows) for start in starts]
        try:
            for chunk in chunks:
                attempts.at(chunk, "decode", whole, [("decode", step)])
            return died, chunks
        except Death:
            died += 1
            assert died < 1000
            attempts.live_again()


def test_a_clip_costs_so_many_processes_and_no_more() -> None:
    for killers in ({3}, {0, 7}, {0, 2, 4, 6}, {1, 2, 9, 10, 17, 23}):
        died, chunks = deaths(Alone(), (0, 8, 16), killers)
        of_chunks = {position // 8 for position in killers}
        assert died == TRIES * len(of_chunks) + TRIES * len(killers)
        rows = [row for chunk in chunks for row in chunk.clips]
        assert {row["position"] for row in rows if row.get("reason") == "killed_process"} == killers
        assert all(row.get("done") for row in rows if row["position"] not in killers)
        assert not any(chunk.fatal for chunk in chunks)


def test_a_process_that_dies_at_every_clip_ends_the_job() -> None:
    died, (chunk,) = deaths(Alone(), [0], set(range(8)))
    assert chunk.fatal and "dies at every clip, such as the first 5 of EN-a from position 0 on" in chunk.fatal
    assert died == TRIES + TRIES * HOPELESS
    assert deaths(Alone(), [0], {0, 1, 2, 3})[1][0].fatal is None
    assert deaths(Alone(), [0], set(range(1, 8)))[1][0].fatal is None


def test_what_is_over_leaves_nothing_behind() -> None:
    attempts = Alone()
    assert deaths(attempts, (0, 8), set())[0] == 0
    assert not attempts._board._begun
    board = Board()
    work = ("decode", "EN-a", 0)
    assert [board.begin(work, "a"), board.begin(work, "a"), board.begin(work, "b")] == [0, 0, 1]


DEADLY_FRAMES = 33_333

ANNOTATOR = """
import os, signal
from pathlib import Path
from annotators.base import Annotation, Annotator, Options


class DeadlyOptions(Options):
    ids: str = os.devnull
    load: bool = True


class Deadly(Annotator):
    name = "deadly"
    Options = DeadlyOptions

    def load(self):
        if not self.options.load:
            os.kill(os.getpid(), signal.SIGKILL)

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


@pytest.fixture
def deadly(tmp_path: Path) -> Path:
    """A folder for PYTHONPATH, with the annotator and the decoder."""
    deadly = tmp_path / "deadly"
    (deadly / "deadly-1.0.dist-info").mkdir(parents=True)
    (deadly / "deadly.py").write_text(ANNOTATOR)
    (deadly / "deadly-1.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: deadly\nVersion: 1.0\n")
    (deadly / "deadly-1.0.dist-info" / "entry_points.txt").write_text("[emotrove.annotators]\ndeadly = deadly:Deadly\n")
    (deadly / "sitecustomize.py").write_text(DECODER)
    return deadly


def environment(deadly: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(deadly), os.environ.get("PYTHONPATH", "")])}


@pytest.mark.ray
def test_the_job_goes_on_without_them(speech: Speech, deadly: Path, tmp_path: Path) -> None:
    env = environment(deadly)
    members = [m for n in range(10) for m in speech.clip(n)]
    crash = encoded(speech.samples[:DEADLY_FRAMES], speech.rate)
    tar = write_tar(
        tmp_path / "EN-a.tar", [*speech.spoilt("crash-a", crash), *members, *speech.spoilt("crash-b", crash)]
    )
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
    assert (event["labeled"], event["failed"]) == (8, 4)
    rows = rows_of(str(run))
    assert rows.keys() == {"crash-a", "crash-b", *(speech.good(n) for n in range(10))}
    ended = {name: (row["stage"], row["reason"]) for name, row in rows.items() if row["outcome"] != "labeled"}
    crashed = ("crash-a", "crash-b")
    assert ended == {
        **dict.fromkeys(crashed, ("decode", "killed_process")),
        **dict.fromkeys(killers, ("deadly", "killed_process")),
    }
    assert all(row["quality"] for name, row in rows.items() if name not in crashed)
    assert status(RunFolder(str(run))).complete

    # What is repaired is taken again.
    ids.write_text("")
    (deadly / "sitecustomize.py").unlink()
    event = last_event(emotrove("failures", run, "--retry", "--json", env=env))
    assert (event["labeled"], event["failed"]) == (4, 0)
    assert {row["outcome"] for row in rows_of(str(run)).values()} == {"labeled"}


@pytest.mark.ray
def test_an_annotator_that_kills_its_process_when_loaded_ends_the_job(
    speech: Speech, deadly: Path, tmp_path: Path
) -> None:
    tar = write_tar(tmp_path / "EN-a.tar", speech.clip(0))
    profile = tmp_path / "my.yaml"
    profile.write_text(
        "profile: embedded\nannotators: {style: null, seed: null, rationale: null, deadly: {load: false}}\n"
    )
    stopped = emotrove("label", tar, tmp_path / "run", "--profile", profile, env=environment(deadly))
    assert stopped.returncode == 1
    assert "annotators (quality, deadly) died 3 times while it loaded them" in stopped.stderr
    assert "Traceback" not in stopped.stderr
