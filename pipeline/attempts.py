"""Finding the clip that kills its process, so that it fails alone and the job goes on.

A process that dies of a clip (a crash in native code, all memory taken) cannot say so. Work on a chunk is therefore announced to an
actor before it begins, and called off when it is over: an announcement that still stands when the chunk comes again is from a
process that died. A chunk that has cost a few processes is done clip by clip, each announced in its turn, and a clip
whose announcement still stands then is not tried again. A process that dies for another reason costs no clip its labels,
unless that happens again and again at the same place.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import ray

from manifests.emilia import PENDING, Row, fail

TRIES = 2
"""So many processes a chunk may cost before it is done clip by clip."""

Step = tuple[str, Callable[[Row], object]]
"""The name of a stage, and what it does with a row."""


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class _Board:
    """What has been begun and is not over."""

    def __init__(self) -> None:
        self._begun: Counter[tuple[str, str, int]] = Counter()

    def begin(self, work: tuple[str, str, int]) -> int:
        """How often it was begun before, and is not over."""
        self._begun[work] += 1
        return self._begun[work] - 1

    def over(self, work: tuple[str, str, int]) -> None:
        self._begun.pop(work, None)


class Attempts:
    """The attempts of a job at its chunks and clips; sent to the processes that do the work."""

    def __init__(self) -> None:
        self._board: Any = _Board.remote()  # type: ignore[attr-defined]

    @contextmanager
    def announced(self, stage: str, shard: str, place: int) -> Iterator[int]:
        """Announce a piece of work for as long as the block takes; gives how many processes have died at it.

        Parameters
        ----------
        place : in the shard; a chunk's is the position of its first utterance
        """
        work = (stage, shard, place)
        died = ray.get(self._board.begin.remote(work))
        try:
            yield died
        finally:
            self._board.over.remote(work)

    def each_alone(self, rows: Sequence[Row], steps: Sequence[Step]) -> None:
        """Take one row after another through the steps; what kills its process fails when it comes again."""
        for row in rows:
            for stage, step in steps:
                if row["outcome"] != PENDING:
                    break
                with self.announced(f"{stage}, alone", row["shard"], row["position"]) as died:
                    if died:
                        row["audio"] = None
                        fail(
                            row,
                            stage,
                            "killed_process",
                            "the process ended without a word while it was at this clip alone",
                        )
                    else:
                        step(row)
