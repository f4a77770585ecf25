"""The review part of a run folder: reading and appending routes, tasks and the ledger."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
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

    def decided(self) -> pa.Table:
        """ROUTES of all that was decided for good, in the order of deciding."""
        return self._read_all(self.decided_files(), ROUTES)

    def append_decided(self, table: pa.Table) -> None:
        self._append("routes/decided-", self.decided_files(), table.cast(ROUTES))

    def in_review(self) -> pa.Table:
        """ROUTES of the clips that go to the experts."""
        table = self.decided()
        return table.filter(pc.equal(table["decision"], "review"))

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
        RunFolderError : nothing was curated yet
        """
        try:
            return self.run.read_table(CURATED_FILE).cast(CURATED)
        except FileNotFoundError:
            raise RunFolderError(
                f"{self.run} has nothing curated yet. Do it with: emotrove curate {self.run}"
            ) from None

    def write_curated(self, table: pa.Table) -> None:
        self.store.write_bytes(CURATED_FILE, encode_parquet(table.cast(CURATED)))

    # -- files -------------------------------------------------------------------------------------------------------

    def _append(self, prefix: str, there: Sequence[str], table: pa.Table) -> None:
        """A new file behind those that are there. The holder of the review's lease alone may call it."""
        last = max((_number(name) for name in there), default=-1)
        name = f"{prefix}{last + 1:06d}.parquet"
        if not self.store.create(name, encode_parquet(table)):
            raise RunFolderError(
                f"{self.store.path(name)} has just appeared: another command writes here. Run it again"
            )

    def _read_all(self, names: Sequence[str], schema: pa.Schema) -> pa.Table:
        tables = [self.run.read_table(name).cast(schema) for name in sorted(names, key=_number)]
        return pa.concat_tables(tables) if tables else schema.empty_table()


def _number(name: str) -> int:
    digits = name.removesuffix(".parquet").rsplit("/", 1)[-1].rsplit("-", 1)[-1]
    if not digits.isdigit():
        raise RunFolderError(f"{name} is not a file of emotrove; move it elsewhere")
    return int(digits)
