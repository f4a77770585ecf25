"""The review part of a run folder: reading and appending routes, tasks and the ledger."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset
import pyarrow.parquet as pq
import yaml

from manifests.errors import RunFolderError
from manifests.review import CURATED, LEDGER, REVIEW_VERSION, ROUTES, TASKS
from manifests.run_folder import RunFolder, encode_parquet

HELD = "routes/held.parquet"
SETTINGS = "review/review.yaml"
CURATED_FILE = "curated/curated.parquet"


class ReviewFolder:
    """What review knows of a run, on any store."""

    def __init__(self, run: RunFolder) -> None:
        self.run = run
        self.store = run.store

    # -- settings ----------------------------------------------------------------------------------------------------

    def settings(self) -> dict[str, Any]:
        """The content of ``review/review.yaml``.

        Raises
        ------
        RunFolderError : there is none, it is damaged, or a newer emotrove wrote it
        """
        where = self.store.path(SETTINGS)
        try:
            record = yaml.safe_load(self.store.read_text(SETTINGS))
        except FileNotFoundError:
            raise RunFolderError(
                f"{self.run} has no review yet. Make its projects with: emotrove review init {self.run}"
            ) from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise RunFolderError(f"{where} is damaged: {error}. Put it back from a copy") from error
        if not isinstance(record, dict) or not isinstance(record.get("review_version"), int):
            raise RunFolderError(f"{where} was not written by emotrove. Put it back from a copy")
        if record["review_version"] > REVIEW_VERSION:
            raise RunFolderError(
                f"{where} has version {record['review_version']}, this emotrove reads up to {REVIEW_VERSION}: upgrade it"
            )
        return dict(record)

    def has_settings(self) -> bool:
        return self.store.exists(SETTINGS)

    def write_settings(self, record: dict[str, Any]) -> None:
        text = yaml.safe_dump(
            {"review_version": REVIEW_VERSION, **record}, sort_keys=False, allow_unicode=True, width=120
        )
        self.store.write_text(SETTINGS, text)

    # -- routes ------------------------------------------------------------------------------------------------------

    def decided_files(self) -> list[str]:
        return [name for name in self.store.list("routes") if name.startswith("routes/decided-")]

    def decided(self) -> pa.dataset.Dataset:
        """ROUTES of all that was decided for good, to be read in batches: accepted rows may be millions."""
        return self.run.dataset_of(sorted(self.decided_files(), key=_number), ROUTES)

    def append_decided(self, rows: pa.Table | pa.RecordBatchReader) -> None:
        """ROUTES in a new file, batch by batch. The holder of the review's lease alone may call it."""
        name = _next("routes/decided-", self.decided_files())
        try:
            self._write_stream(name, rows, new=True)
        except FileExistsError:
            raise self._appeared(name) from None

    def write_held(self, rows: pa.Table | pa.RecordBatchReader) -> None:
        """ROUTES of what waits, batch by batch, in place of what waited before.

        After a crash some of them may have been decided already: of two rows of an utterance the decided one holds.
        """
        self._write_stream(HELD, rows, new=False)

    def in_review(self) -> pa.Table:
        """ROUTES of the clips that go to the experts, in the order of deciding.

        Raises
        ------
        RunFolderError : a file is damaged
        """
        try:
            return self.decided().to_table(filter=pc.field("decision") == "review")
        except (pa.ArrowException, OSError) as error:
            raise RunFolderError(
                f"A file of {self.store.path('routes')} cannot be read: {error}. Put it back from a copy"
            ) from error

    # -- tasks -------------------------------------------------------------------------------------------------------

    def tasks(self, slots: Sequence[str] | None = None) -> pa.Table:
        """TASKS of these slots, or of all, in the order of pushing."""
        names = [
            name
            for name in self.store.list("review/tasks")
            if slots is None or name.rsplit("/", 1)[1].rsplit("-", 1)[0] in slots
        ]
        return self._read_all(names, TASKS)

    def append_tasks(self, slot: str, table: pa.Table) -> None:
        prefix = f"review/tasks/{slot}-"
        there = [name for name in self.store.list("review/tasks") if name.startswith(prefix)]
        self._append(prefix, there, table.cast(TASKS))

    # -- ledger ------------------------------------------------------------------------------------------------------

    def ledger(self) -> pa.Table:
        """LEDGER, whole, by ``seq``."""
        return self._read_all(self.store.list("review/ledger"), LEDGER)

    def append_ledger(self, table: pa.Table) -> None:
        self._append("review/ledger/", self.store.list("review/ledger"), table.cast(LEDGER))

    # -- curated -----------------------------------------------------------------------------------------------------

    def curated(self) -> pa.Table:
        """CURATED.

        Raises
        ------
        RunFolderError : nothing was curated yet, or the file is damaged
        """
        try:
            return self.run.read_table(CURATED_FILE).cast(CURATED)
        except FileNotFoundError:
            raise RunFolderError(
                f"{self.run} has nothing curated yet. Do it with: emotrove curate {self.run}"
            ) from None
        except (RunFolderError, ValueError) as error:  # ValueError: it has other columns than those of this version
            raise RunFolderError(
                f"{self.store.path(CURATED_FILE)} cannot be used. Make it again with: emotrove curate {self.run}"
            ) from error

    def write_curated(self, table: pa.Table) -> None:
        self.store.write_bytes(CURATED_FILE, encode_parquet(table.cast(CURATED)))

    # -- files -------------------------------------------------------------------------------------------------------

    def _append(self, prefix: str, there: Sequence[str], table: pa.Table) -> None:
        """A new file behind those that are there. The holder of the review's lease alone may call it."""
        name = _next(prefix, there)
        if not self.store.create(name, encode_parquet(table)):
            raise self._appeared(name)

    def _appeared(self, name: str) -> RunFolderError:
        return RunFolderError(f"{self.store.path(name)} has just appeared: another command writes here. Run it again")

    def _write_stream(self, name: str, rows: pa.Table | pa.RecordBatchReader, *, new: bool) -> None:
        batches = rows.to_batches() if isinstance(rows, pa.Table) else rows
        with self.store.writing(name, new=new) as path, pq.ParquetWriter(path, ROUTES, compression="zstd") as writer:
            for batch in batches:
                writer.write_batch(batch.cast(ROUTES))

    def _read_all(self, names: Sequence[str], schema: pa.Schema) -> pa.Table:
        tables = [self.run.read_table(name).cast(schema) for name in sorted(names, key=_number)]
        return pa.concat_tables(tables) if tables else schema.empty_table()


def _next(prefix: str, there: Sequence[str]) -> str:
    return f"{prefix}{max((_number(name) for name in there), default=-1) + 1:06d}.parquet"


def _number(name: str) -> int:
    digits = name.removesuffix(".parquet").rsplit("/", 1)[-1].rsplit("-", 1)[-1]
    if not digits.isdigit():
        raise RunFolderError(f"{name} is not a file of emotrove; move it elsewhere")
    return int(digits)
