"""Push and pull against a real Label Studio (SQLite, loopback, started by this command).

Push: 10,000 utterances into one slot, from an empty project to a complete map. Timed: the look at what is there, cutting every clip from
its shard (SHA-256, a file each, synced), making and validating the tasks, importing, writing the map, the count at the end. Not
timed: making the projects. Peer, in the same run: the same task data given to ``projects.import_tasks`` of the SDK in batches of the
same size, into a project with the same label config. They alternate; the ratio is that of the medians.

Pull: a run of 5,000 utterances, so 10,000 tasks in slots A and B, each with an answer (loaded by importing tasks with annotations, which
emotrove then takes into its map; a minute passes, because a pull reads the last minute again). Timed: ``review pull`` without
starting Python: signing in to three projects, comparing their label configs, reading, writing the ledger, counting. First with
an empty ledger, then after 10 new answers.

    python -m benchmarks.review_exchange TAR
"""

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from manifests.review_folder import ReviewFolder
from review_ui.exclusive import exclusive
from review_ui.label_config import task_data
from review_ui.projects import Wanted, init
from review_ui.pull import PULLED, pull_all
from review_ui.push import BATCH_SIZE, Pusher, expert_data, push
from review_ui.server import TOKEN_VARIABLE, LabelStudioServer
from review_ui.settings import ReviewSettings
from tests.review_ui.clip_rows import clip_rows, routed_run
from tests.review_ui.exchange import result_of
from tests.review_ui.label_studio import RunningLabelStudio

Rows = list[dict[str, Any]]


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def many(rows: Rows, count: int) -> Rows:
    """So many utterances, each with a clip of its own to cut, from the bytes of a few."""
    return [{**rows[at % len(rows)], "utterance_id": f"EN_B00000_S{at:06d}", "position": at} for at in range(count)]


class Bench:
    def __init__(self, studio: RunningLabelStudio, rows: Rows) -> None:
        self.studio = studio
        self.rows = rows
        self.server = LabelStudioServer(studio.url, studio.admin.token)

    def review(self, name: str, count: int) -> tuple[ReviewFolder, ReviewSettings]:
        review = routed_run(self.studio.document_root / name, many(self.rows, count))
        return review, init(review, Wanted(url=self.studio.url, title=name))

    def data(self, review: ReviewFolder, settings: ReviewSettings, slot: str) -> list[dict[str, str]]:
        project = settings.projects[slot]  # type: ignore[index]
        urls = (settings.clips.url(f"{at:032x}.mp3") for at in range(10**9))
        return [
            task_data(row, url, project.screen) for row, url in zip(review.in_review().to_pylist(), urls, strict=False)
        ]

    def direct(self, project_id: int, tasks: list[dict[str, Any]]) -> None:
        for start in range(0, len(tasks), BATCH_SIZE):
            self.server.sdk.projects.import_tasks(
                project_id,
                request=tasks[start : start + BATCH_SIZE],  # type: ignore[arg-type]
                return_task_ids=True,
            )

    def push_rates(self, count: int, pairs: int) -> None:
        ours, theirs = [], []
        for number in range(pairs):
            review, settings = self.review(f"push-{number}", count)
            project = settings.projects["A"]
            tasks: list[dict[str, Any]] = [{"data": data} for data in self.data(review, settings, "A")]
            theirs.append(count / seconds(lambda: self.direct(settings.projects["B"].project_id, tasks)))  # noqa: B023
            with exclusive(review) as lease:
                routes, make = review.in_review(), expert_data(review, project)
                ours.append(
                    count / seconds(lambda: Pusher(review, settings, lease).push(project, self.server, routes, make))  # noqa: B023
                )
            assert review.tasks().num_rows == count
            print(f"push {number + 1}: {ours[-1]:,.0f} tasks/s, SDK alone {theirs[-1]:,.0f} tasks/s", flush=True)
            # The clips stay: for minutes after a large deletion ext4 makes files many times more slowly.
        ratio = statistics.median(ours) / statistics.median(theirs)
        print(
            f"push of {count:,} tasks: {statistics.median(ours):,.0f} tasks/s, SDK alone "
            f"{statistics.median(theirs):,.0f} tasks/s, ratio {ratio:.2f} (target at least 0.7)"
        )

    def pull_times(self, count: int, times: int) -> None:
        review, settings = self.review("pull", count // 2)
        people = {"A": self.studio.expert_a, "B": self.studio.expert_b}
        for slot, person in people.items():
            answer = {"completed_by": person.id, "lead_time": 4.0, "ground_truth": False}
            tasks = [
                {"data": data, "annotations": [{**answer, "result": result_of("angry")}]}
                for data in self.data(review, settings, slot)
            ]
            self.direct(settings.projects[slot].project_id, tasks)  # type: ignore[index]
        for one in push(review):
            assert (one.adopted, one.new) == (count // 2, 0)
        time.sleep(61)
        first = []
        for _ in range(times):
            shutil.rmtree(review.store.path("review/ledger"), ignore_errors=True)
            review.store.delete(PULLED)
            first.append(seconds(lambda: pull_all(review)))
            assert review.ledger().num_rows == count
            print(f"first pull: {first[-1]:.2f} s", flush=True)
        later = []
        sdk = LabelStudioServer(self.studio.url, self.studio.spare.token).sdk
        for number in range(times):
            rows = review.tasks(["A"]).slice(number * 10, 10)
            for task in rows["task_id"].to_pylist():
                sdk.annotations.create(id=task, result=result_of("sad"), lead_time=4.0)
            later.append(seconds(lambda: pull_all(review)))
            assert review.ledger().num_rows == count + (number + 1) * 10
            print(f"pull after 10 new answers: {later[-1]:.2f} s", flush=True)
        ratio = statistics.median(later) / statistics.median(first)
        print(
            f"pull among {count:,} tasks: first {statistics.median(first):.2f} s, after 10 new answers "
            f"{statistics.median(later):.2f} s, ratio 1/{1 / ratio:.0f} (target at most 1/20)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tar", type=Path, help="a shard of real clips")
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        studio = RunningLabelStudio(Path(folder))
        try:
            studio.set_up()
            os.environ[TOKEN_VARIABLE] = studio.admin.token
            bench = Bench(studio, clip_rows(arguments.tar.absolute()))
            bench.push_rates(arguments.tasks, arguments.times)
            bench.pull_times(arguments.tasks, arguments.times)
        finally:
            studio.stop()


if __name__ == "__main__":
    main()
