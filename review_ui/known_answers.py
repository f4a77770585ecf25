"""The ledger as a pull compares it with the server: the last version of each answer that has not been deleted."""

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


class KnownAnswers:
    """What the ledger says of one project.

    Parameters
    ----------
    ledger : LEDGER
    """

    def __init__(self, ledger: pa.Table, slot: str, project_id: int) -> None:
        of_project = ledger.filter(pc.and_(pc.equal(ledger["slot"], slot), pc.equal(ledger["project_id"], project_id)))
        last = of_project.group_by("annotation_id").aggregate([("seq", "max")])["seq_max"]
        self._last = of_project.filter(pc.is_in(of_project["seq"], last.combine_chunks()))
        self.living = set(self._last.filter(pc.not_equal(self._last["state"], "deleted"))["annotation_id"].to_pylist())
        """Ids of the annotations that were there when last looked at."""

    def of(self, tasks: Iterable[int], annotations: Iterable[int]) -> dict[int, dict[str, Any]]:
        """The last row of all annotations of these tasks, and of these annotations, by annotation."""
        of_tasks = pc.is_in(self._last["task_id"], pa.array(tasks, pa.int64()))
        named = pc.is_in(self._last["annotation_id"], pa.array(annotations, pa.int64()))
        return {row["annotation_id"]: row for row in self._last.filter(pc.or_(of_tasks, named)).to_pylist()}

    def rows(self, annotations: Iterable[int]) -> Iterator[dict[str, Any]]:
        """The last row of these annotations."""
        found = self._last.filter(pc.is_in(self._last["annotation_id"], pa.array(annotations, pa.int64())))
        for batch in found.to_batches(max_chunksize=1000):
            yield from batch.to_pylist()
