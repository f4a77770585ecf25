"""A run whose clips go to a real Label Studio through a proxy that a test can make go wrong."""

import json
import subprocess
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from manifests.review_folder import ReviewFolder
from review_ui.listing import ServerTask, pages
from review_ui.projects import Wanted, init
from review_ui.server import LabelStudioServer
from review_ui.settings import ReviewSettings
from tests.pipeline.command import EMOTROVE, cli
from tests.review_ui.clip_rows import routed_run
from tests.review_ui.faulty_proxy import Fault, FaultyProxy, faulty_proxy
from tests.review_ui.label_studio import RunningLabelStudio, User


class Exchange:
    """A review that has its projects, and what a test wants to know of it.

    Attributes
    ----------
    proxy : between emotrove and Label Studio
    server : Label Studio without the proxy, as the administrator
    """

    def __init__(self, studio: RunningLabelStudio, proxy: FaultyProxy, rows: list[dict[str, Any]]) -> None:
        self.studio = studio
        self.proxy = proxy
        self.rows = rows
        self.review: ReviewFolder = routed_run(studio.document_root / f"run-{uuid.uuid4().hex[:8]}", rows)
        self.run = str(self.review.run)
        self.server = LabelStudioServer(studio.url, studio.admin.token)
        self.settings: ReviewSettings = init(self.review, Wanted(url=proxy.url, seed=7, screen="en"))
        self.proxy.seen.clear()

    # -- commands ----------------------------------------------------------------------------------------------------

    def did(self, command: str, *options: object) -> dict[str, Any]:
        """What a command says it did, with ``--json``."""
        result = cli("review", command, self.run, *options, "--json")
        assert result.exit_code == 0, result.stderr
        return dict(json.loads(result.stdout))

    def failed(self, command: str, *options: object) -> str:
        """Why a command did not do it."""
        result = cli("review", command, self.run, *options)
        assert result.exit_code == 1, result.output
        assert "Traceback" not in result.output
        assert self.studio.admin.token not in result.output
        return result.stderr

    def killed_at(self, fault: Fault, command: str, *options: object) -> None:
        """Run a command in a process of its own and kill it when this fault is hit, with the server done or not begun."""
        self.proxy.add(fault)
        process = subprocess.Popen([*EMOTROVE, "review", command, self.run, *map(str, options)])
        deadline = time.monotonic() + 60
        while not fault.hit:
            assert process.poll() is None, "it ended before it could be killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.5)  # for the server to carry out what was asked, where it was asked
        process.kill()
        process.wait()
        fault.times = 0

    # -- the server --------------------------------------------------------------------------------------------------

    def project_id(self, slot: str) -> int:
        return self.settings.projects[slot].project_id  # type: ignore[index]

    def tasks(self, slot: str, annotations: bool = False) -> list[ServerTask]:
        """The tasks on the server, by id."""
        found = pages(self.server, self.project_id(slot), annotations=annotations)
        return [task for page in found for task in page.tasks]

    def task_of(self, slot: str, utterance_id: str) -> int:
        [found] = [task.id for task in self.tasks(slot) if task.utterance_id == utterance_id]
        return found

    def answer(
        self, slot: str, utterance_id: str, answer: str, by: User, *, lead_time_s: float = 5.0, **told: str
    ) -> int:
        """Answer as a person does; returns the id of the annotation."""
        return self.answer_task(self.task_of(slot, utterance_id), answer, by, lead_time_s=lead_time_s, **told)

    def answer_task(self, task: int, answer: str, by: User, *, lead_time_s: float = 5.0, **told: str) -> int:
        sdk = LabelStudioServer(self.studio.url, by.token).sdk
        made = sdk.annotations.create(id=task, result=result_of(answer, **told), lead_time=lead_time_s)
        assert made.id is not None
        return made.id

    def answer_all(self, slot: str, answer: str, by: User, first: int | None = None) -> list[int]:
        return [self.answer_task(task.id, answer, by) for task in self.tasks(slot)[:first]]

    # -- what must hold ----------------------------------------------------------------------------------------------

    def assert_once_each(self, slots: Sequence[str] = ("A", "B"), but: Sequence[str] = ()) -> None:
        """Every routed utterance has one task in each slot, the map says so, and its clip can be fetched."""
        wanted = {row["utterance_id"] for row in self.rows} - set(but)
        mapped = self.review.tasks().to_pylist()
        for slot in slots:
            there = {task.utterance_id: task.id for task in self.tasks(slot)}
            assert len(self.tasks(slot)) == len(wanted)
            assert there.keys() == wanted
            rows = [row for row in mapped if row["slot"] == slot and there.get(row["utterance_id"]) == row["task_id"]]
            assert Counter(row["utterance_id"] for row in rows) == Counter(wanted)
            assert {row["project_id"] for row in rows} == {self.project_id(slot)}
            clips = Path(self.settings.clips.folder)
            assert all((clips / row["clip"]).is_file() for row in rows)

    def assert_ledger_complete(self) -> None:
        """The ledger holds every answer on the server, as it is there, and none besides; no version twice."""
        ledger = self.review.ledger().to_pylist()
        assert [row["seq"] for row in ledger] == list(range(len(ledger)))
        last = {(row["slot"], row["annotation_id"]): row for row in ledger}
        living = {key: json.loads(row["raw"]) for key, row in last.items() if row["state"] != "deleted"}
        there = {
            (slot, annotation["id"]): annotation["result"]
            for slot in self.settings.projects
            for task in self.tasks(slot, annotations=True)
            for annotation in task.annotations
        }
        assert living == there
        versions = [
            tuple((name, str(value)) for name, value in row.items() if name not in ("seq", "pulled_at"))
            for row in ledger
        ]
        assert len(set(versions)) == len(versions)


def result_of(answer: str, **told: str) -> list[dict[str, Any]]:
    """The result of an annotation as the labelling screen sends it."""
    items: list[dict[str, Any]] = [{"from_name": "answer", "type": "choices", "value": {"choices": [answer]}}]
    items += [{"from_name": name, "type": "textarea", "value": {"text": [text]}} for name, text in told.items()]
    return [{"id": uuid.uuid4().hex[:10], "to_name": "audio", **item} for item in items]


@contextmanager
def an_exchange(studio: RunningLabelStudio, rows: list[dict[str, Any]]) -> Iterator[Exchange]:
    with faulty_proxy(studio.url) as proxy:
        yield Exchange(studio, proxy, rows)
