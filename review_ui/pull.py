"""Bringing the experts' answers into the ledger: only what changed, and never without proof that nothing is missing.

Every change to an answer changes its task, so the tasks that changed since the last pull hold all there is to learn. What was
brought is then counted against what the server says it holds; where the numbers differ, everything is read again.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import RunFolderError
from manifests.review import ADJUDICATION, LEDGER
from manifests.review_folder import ReviewFolder
from review_ui.exclusive import exclusive
from review_ui.known_answers import KnownAnswers
from review_ui.label_config import parse_result
from review_ui.listing import ServerTask, instant, pages, state
from review_ui.opened import opened
from review_ui.people import People
from review_ui.server import LabelStudioServer, ReviewServerError
from review_ui.settings import ReviewSettings

PULLED: Final = "review/pulled.json"
"""Up to when each slot was pulled; without it the next pull reads everything."""

_ROWS_PER_FILE = 10_000
_VERSION = pa.schema([field for field in LEDGER if field.name not in ("seq", "pulled_at")])

Listener = Callable[[int, int | None], None]
"""Called with the number of tasks read and the number in all, where it is known."""


class PullIncomplete(ReviewServerError):
    """The ledger and the server do not hold the same number of answers, and reading everything again did not help."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the answers of a slot are."""

    slot: str
    server: LabelStudioServer
    project_id: int
    annotations: int  # how many the server said it holds, skipped ones too


@dataclass(slots=True)
class Changes:
    """What a pull found."""

    new: int = 0
    edited: int = 0
    deleted: int = 0

    def __bool__(self) -> bool:
        return bool(self.new or self.edited or self.deleted)

    def to_json(self) -> dict[str, int]:
        return asdict(self)


@dataclass(slots=True)
class _Pass:
    alive: int  # answers in the ledger now
    settled: datetime  # everything that happened before is in the ledger
    latest: datetime | None  # last change seen


@dataclass(slots=True)
class _Writer:
    """Rows on their way into the ledger; a file for each 10,000."""

    review: ReviewFolder
    seq: int
    pulled_at: datetime
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, row: dict[str, Any]) -> None:
        self.rows.append({**row, "seq": self.seq, "pulled_at": self.pulled_at})
        self.seq += 1
        if len(self.rows) >= _ROWS_PER_FILE:
            self.flush()

    def flush(self) -> None:
        if self.rows:
            self.review.append_ledger(pa.Table.from_pylist(self.rows, schema=LEDGER))
            self.rows = []


def pull(
    review: ReviewFolder,
    sources: Iterable[Source],
    *,
    full: bool = False,
    listener: Listener = lambda done, total: None,
) -> dict[str, Changes]:
    """Write into the ledger what experts answered, edited and deleted since the last pull.

    A kill at any moment loses nothing and doubles nothing: what was written is compared with the server by the next pull. The
    caller holds the review's lease.

    Parameters
    ----------
    full : read every task, not only those that changed

    Returns
    -------
    What changed, by slot

    Raises
    ------
    ReviewServerError : a server does not do its part
    PullIncomplete : the counts differ for good
    """
    routed = set(review.in_review()["utterance_id"].to_pylist())
    since = read_since(review)
    found: dict[str, Changes] = {}
    people: dict[str, People] = {}
    for source in sources:
        server = source.server
        puller = _Puller(review, source, people.setdefault(server.url, People(server)), routed, listener)
        key = f"{source.slot}/{source.project_id}"
        reached = puller.complete(None if full else since.get(key))
        # After each slot, because the server of the next may be down.
        if reached is not None and reached != since.get(key):
            since[key] = reached
            _write_since(review, since)
        found[source.slot] = puller.changes
    return found


def sources(review: ReviewFolder) -> list[Source]:
    """Where the answers of all slots are, each server proven to be there.

    Raises
    ------
    RunFolderError : no review was begun
    ReviewServerError : a server does not answer, or a project was changed by hand
    """
    projects = ReviewSettings.read(review).projects
    return [
        Source(slot, at.server, projects[slot].project_id, at.state.annotations)
        for slot, at in opened(projects.values()).items()
    ]


def pull_all(
    review: ReviewFolder, *, full: bool = False, listener: Listener = lambda done, total: None
) -> dict[str, Changes]:
    """``pull`` of all slots, holding the review's lease.

    Raises
    ------
    RunLocked : another command writes the review
    """
    at = sources(review)
    with exclusive(review):
        return pull(review, at, full=full, listener=listener)


class _Puller:
    def __init__(
        self, review: ReviewFolder, source: Source, people: People, routed: set[str], listener: Listener
    ) -> None:
        self.review = review
        self.source = source
        self.routed = routed
        self.listener = listener
        self.people = people
        self.changes = Changes()

    def complete(self, since: datetime | None) -> datetime | None:
        """Pull until the counts agree; returns from when on the next pull must look."""
        counted = self.source.annotations
        for everything in (since is None, False, True, False):
            done = self._pass(None if everything else since)
            # Reading the same window twice does no harm; leaving a gap would.
            since = min(done.latest, done.settled) if done.latest is not None else since
            if counted == done.alive:
                return since
            # An answer that came after the count differs too, so it is counted anew before reading again.
            counted = state(self.source.server, self.source.project_id).annotations
            if counted == done.alive:
                return since
        raise PullIncomplete(
            f"Slot {self.source.slot}: project {self.source.project_id} at {self.source.server.url} says it holds {counted} "
            f"answers, the ledger has {done.alive} of it. If experts are answering quickly, run the command again; "
            "else look at the server's log"
        )

    def _pass(self, since: datetime | None) -> _Pass:
        """Read the tasks that changed, or with None all, and write what is new in them."""
        source = self.source
        ledger = self.review.ledger()
        known = KnownAnswers(ledger, source.slot, source.project_id)
        writer = _Writer(self.review, _next_seq(ledger), datetime.now(timezone.utc))
        seen: set[int] = set()
        gone: set[int] = set()
        settled, latest, done = None, since, 0
        for page in pages(source.server, source.project_id, annotations=True, since=since):
            settled = settled or page.settled
            for task in page.tasks:
                latest = task.updated_at if latest is None else max(latest, task.updated_at)
            before = known.of(
                [task.id for task in page.tasks], [one["id"] for task in page.tasks for one in task.annotations]
            )
            versions = self._versions(page.tasks, before)
            seen.update(row["annotation_id"] for row in versions)
            for row in versions:
                self._compare(row, before.get(row["annotation_id"]), writer)
            # Not those of a task whose annotation's number has been given away again.
            missing = [row for key, row in before.items() if key in known.living and key not in seen]
            self._bury(missing, writer)
            gone.update(row["annotation_id"] for row in missing)
            done += len(page.tasks)
            self.listener(done, done + page.behind)
        if since is None:
            # Answers that went together with their task.
            lost = known.living - seen - gone
            self._bury(known.rows(lost), writer)
            gone |= lost
        writer.flush()
        assert settled is not None, "there is always a page"
        return _Pass(len((known.living - gone) | seen), settled, latest)

    def _versions(self, tasks: Sequence[ServerTask], before: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
        """Rows of LEDGER, without the columns that are about the pull, as they would be read back from it."""
        rows = []
        for task in tasks:
            utterance_id = task.utterance_id if task.utterance_id in self.routed else None
            for annotation in task.annotations:
                last = before.get(annotation["id"])
                said = parse_result(annotation["result"], adjudication=self.source.slot == ADJUDICATION)
                rows.append(
                    {
                        "slot": self.source.slot,
                        "project_id": self.source.project_id,
                        "task_id": task.id,
                        "annotation_id": annotation["id"],
                        "utterance_id": utterance_id,
                        "state": "skipped" if annotation["was_cancelled"] else "submitted",
                        "annotator": self.people.annotator(annotation, last["annotator"] if last else None),
                        **said,
                        "lead_time_s": annotation["lead_time"],
                        "created_at": instant(annotation["created_at"]),
                        "updated_at": instant(annotation["updated_at"]),
                    }
                )
        return pa.Table.from_pylist(rows, schema=_VERSION).to_pylist()

    def _compare(self, row: dict[str, Any], last: dict[str, Any] | None, writer: _Writer) -> None:
        if last is not None and all(row[name] == last[name] for name in _VERSION.names):
            return
        writer.add(row)
        if last is None or last["state"] == "deleted":
            self.changes.new += 1
        else:
            self.changes.edited += 1

    def _bury(self, rows: Iterable[dict[str, Any]], writer: _Writer) -> None:
        for row in rows:
            writer.add({**row, "state": "deleted"})
            self.changes.deleted += 1


def _next_seq(ledger: pa.Table) -> int:
    return int(pc.max(ledger["seq"]).as_py()) + 1 if ledger.num_rows else 0


def read_since(review: ReviewFolder) -> dict[str, datetime]:
    """From when on the next pull must look, by slot and project."""
    try:
        record = json.loads(review.store.read_text(PULLED))
        return {key: instant(value) for key, value in record.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError) as error:
        raise RunFolderError(
            f"{review.store.path(PULLED)} is damaged: {error}. Delete it; the next pull then reads everything"
        ) from error


def _write_since(review: ReviewFolder, since: dict[str, datetime]) -> None:
    record = {key: value.isoformat() for key, value in since.items()}
    review.store.write_text(PULLED, json.dumps(record, indent=2) + "\n")
