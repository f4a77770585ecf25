"""Finding the clip that kills its process, so that it fails alone and the job goes on.

A process that dies of a clip (a crash in native code, all memory taken) cannot say so. Work is therefore announced to an actor
before it begins, and called off when it is over: an announcement that still stands when the work comes again is from a process
that died at it. A chunk that has cost two processes is done clip by clip, each announced in its turn, and a clip that has cost two
processes by itself is not tried again. Announcements of the dead stand until the job ends, so nothing is tried anew from the start.
"""

import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ray

from manifests.emilia import PENDING, Row, fail
from pipeline.chunks import Chunk

TRIES = 2
"""So many processes a chunk may cost before it is done clip by clip, and a clip by itself before it fails."""

HOPELESS = 5
"""Where so many clips of a chunk fail in this way and none gets through, it is not the clips."""

Step = tuple[str, Callable[[Row], object]]
"""The name of a stage, and what it does with a row."""

Work = tuple[str, str, int]
"""A stage, a shard, a position in it."""


class Board:
    """What has been begun and is not over."""

    def __init__(self) -> None:
        self._begun: defaultdict[Work, set[str]] = defaultdict(set)

    def begin(self, work: Work, token: str) -> int:
        """How many have begun it before and not ended; the same call may come twice."""
        self._begun[work].add(token)
        return len(self._begun[work]) - 1

    def over(self, work: Work, token: str) -> None:
        self._begun[work].discard(token)
        if not self._begun[work]:
            del self._begun[work]


class Attempts:
    """The attempts of a job at its chunks and clips; sent to the processes that do the work."""

    def __init__(self) -> None:
        self._board: Any = ray.remote(Board).options(num_cpus=0, max_restarts=-1, max_task_retries=-1).remote()

    def _begin(self, work: Work, token: str) -> int:
        return int(ray.get(self._board.begin.remote(work, token)))

    def _over(self, work: Work, token: str) -> None:
        self._board.over.remote(work, token)

    @contextmanager
    def announced(self, stage: str, where: str, place: int = 0) -> Iterator[int]:
        """Announce a piece of work for as long as the block takes; gives how many processes have died at it.

        Parameters
        ----------
        where : the shard; no other process may be at the same work at the same time
        place : in the shard; a chunk's is the position of its first utterance
        """
        work, token = (stage, where, place), uuid.uuid4().hex
        died = self._begin(work, token)
        try:
            yield died
        finally:
            self._over(work, token)

    def at(self, chunk: Chunk, stage: str, whole: Callable[[Sequence[Row]], object], steps: Sequence[Step]) -> None:
        """Work on the rows of a chunk: together, or where processes have died at it, one by one.

        Parameters
        ----------
        stage : what all of the work is called
        whole : does it with all rows
        steps : do the same with one row, one after the other; they take pending rows only
        """
        with self.announced(stage, chunk.shard, chunk.start) as died:
            if died < TRIES:
                whole(chunk.clips)
            else:
                chunk.fatal = self._one_by_one(chunk.clips, steps)

    def _one_by_one(self, rows: Sequence[Row], steps: Sequence[Step]) -> str | None:
        """Take one row after another through the steps; gives why that is hopeless, where it is."""
        killers, through = 0, 0
        for row in rows:
            if row["outcome"] != PENDING:
                continue
            for stage, step in steps:
                with self.announced(f"{stage}, alone", row["shard"], row["position"]) as died:
                    if died >= TRIES:
                        row["audio"] = None
                        fail(row, stage, "killed_process", f"{died} processes ended without a word at this clip alone")
                    else:
                        step(row)
                if row["outcome"] != PENDING:
                    break
            if row.get("reason") == "killed_process":
                killers += 1
            else:
                through += 1
            if killers == HOPELESS and not through:
                return (
                    f"The process of {stage} dies at every clip, such as the first {HOPELESS} of {row['shard']} from position "
                    f"{rows[0]['position']} on. Look into the system's log for what ends it (a crash, no memory left)."
                )
        return None
