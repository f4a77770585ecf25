"""``review pull`` against a real Label Studio: every answer is in the ledger, no version twice."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from manifests.answers import judged
from review_ui import listing
from review_ui.pull import PULLED
from review_ui.server import LabelStudioServer
from tests.pipeline.command import cli
from tests.review_ui.exchange import Exchange, result_of
from tests.review_ui.faulty_proxy import Fault
from tests.review_ui.label_studio import User

TASKS = "/api/tasks"
NOTHING = {"new": 0, "edited": 0, "deleted": 0}
WEB_PAGE = b"<!DOCTYPE html><html><body>Welcome to nginx</body></html>"


@pytest.fixture
def pushed(exchange_of: Callable[[list[dict[str, Any]]], Exchange], clips_in_review: list[dict[str, Any]]) -> Exchange:
    """Twelve clips with the experts."""
    exchange = exchange_of(clips_in_review[:12])
    exchange.did("push")
    return exchange


def changes(exchange: Exchange, *options: object) -> dict[str, dict[str, int]]:
    return dict(exchange.did("pull", *options)["slots"])


def as_user(exchange: Exchange, user: User) -> Any:
    return LabelStudioServer(exchange.studio.url, user.token).sdk


def test_answers_edits_and_deletions(pushed: Exchange) -> None:
    a, b = pushed.studio.expert_a, pushed.studio.expert_b
    assert changes(pushed) == {"A": NOTHING, "B": NOTHING, "adjudication": NOTHING}
    given = pushed.answer_all("A", "angry", a, first=5)
    pushed.answer_all("B", "sad", b, first=2)
    assert changes(pushed) == {"A": {**NOTHING, "new": 5}, "B": {**NOTHING, "new": 2}, "adjudication": NOTHING}
    pushed.assert_ledger_complete()
    assert changes(pushed)["A"] == NOTHING
    sdk = as_user(pushed, a)
    sdk.annotations.update(id=given[0], result=result_of("happy", note="on second thought"))
    sdk.annotations.delete(id=given[1])
    sdk.annotations.create(id=pushed.tasks("A")[7].id, result=[], was_cancelled=True)
    assert changes(pushed)["A"] == {"new": 1, "edited": 1, "deleted": 1}
    pushed.assert_ledger_complete()
    ledger = pushed.review.ledger().to_pylist()
    versions = [row for row in ledger if row["annotation_id"] == given[0] and row["slot"] == "A"]
    assert [(row["answer"], row["note"]) for row in versions] == [("angry", None), ("happy", "on second thought")]
    assert versions[0]["annotator"] == "expert.a@example.com" and versions[0]["lead_time_s"] == 5.0
    assert versions[0]["created_at"] < versions[0]["pulled_at"]
    assert [row["state"] for row in ledger if row["annotation_id"] == given[1] and row["slot"] == "A"] == [
        "submitted",
        "deleted",
    ]
    assert sum(row["state"] == "skipped" for row in ledger) == 1
    assert changes(pushed, "--full") == {"A": NOTHING, "B": NOTHING, "adjudication": NOTHING}


def test_what_it_prints(pushed: Exchange) -> None:
    pushed.answer_all("A", "angry", pushed.studio.expert_a, first=3)
    pushed.answer_all("B", "sad", pushed.studio.expert_b)
    pushed.answer_task(pushed.tasks("A")[5].id, "sad", pushed.studio.expert_a, lead_time_s=0.2)
    result = cli("review", "pull", pushed.run)
    assert result.exit_code == 0
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["A", "4", "0", "0", "3", "12"] in rows and ["B", "12", "0", "0", "12", "12"] in rows
    assert "1 do not count (too_fast): answered in less time than the clip lasts" in result.stdout
    assert f"3 clips on which the experts differ. Next: emotrove review adjudicate {pushed.run}" in result.stdout


def test_answers_that_do_not_count_are_kept(pushed: Exchange) -> None:
    a, b = pushed.studio.expert_a, pushed.studio.expert_b
    one, two, three = (task.id for task in pushed.tasks("A")[:3])
    pushed.answer_task(one, "angry", a)
    pushed.answer_task(one, "sad", a)
    pushed.answer_task(one, "sad", b)
    pushed.answer_task(two, "melancholic", a)
    utterance = pushed.tasks("A")[2].utterance_id or ""
    pushed.answer_task(three, "sad", a)
    pushed.answer("B", utterance, "sad", a)
    foreign = pushed.server.sdk.projects.import_tasks(
        pushed.project_id("A"),
        request=[{"data": {"audio": "/x", "text": "theirs"}}],  # type: ignore[list-item]
        return_task_ids=True,
    ).task_ids
    assert foreign is not None
    pushed.answer_task(foreign[0], "sad", b)
    found = pushed.did("pull")
    pushed.assert_ledger_complete()
    assert found["flagged"] == {
        "not_pushed": 1,
        "unknown_choice": 1,
        "second_answer": 1,
        "same_person": 1,
        "third_answer": 1,
    }
    [theirs] = [row for row in pushed.review.ledger().to_pylist() if row["task_id"] == foreign[0]]
    assert theirs["utterance_id"] is None


def test_a_draft_is_no_answer(pushed: Exchange) -> None:
    import httpx

    task = pushed.tasks("A")[0].id
    httpx.post(
        f"{pushed.studio.url}/api/tasks/{task}/drafts",
        json={"result": result_of("sad"), "lead_time": 3},
        headers={"Authorization": f"Token {pushed.studio.expert_a.token}"},
    ).raise_for_status()
    assert changes(pushed)["A"] == NOTHING
    assert not pushed.review.ledger().num_rows


def test_a_task_deleted_with_its_answer_leaves_a_tombstone(pushed: Exchange) -> None:
    a = pushed.studio.expert_a
    pushed.answer_all("A", "angry", a, first=4)
    changes(pushed)
    gone = pushed.tasks("A")[1]
    pushed.server.sdk.tasks.delete(id=str(gone.id))
    assert changes(pushed)["A"] == {**NOTHING, "deleted": 1}
    pushed.assert_ledger_complete()
    pushed.did("push")
    pushed.assert_once_each()
    pushed.answer("A", gone.utterance_id or "", "sad", a)
    assert changes(pushed)["A"] == {**NOTHING, "new": 1}
    pushed.assert_ledger_complete()
    review = pushed.review
    answers = judged(review.in_review(), review.tasks(), review.ledger()).to_pylist()
    [answer] = [row for row in answers if row["utterance_id"] == gone.utterance_id]
    assert answer["answer"] == "sad" and answer["counts"]


def test_answers_deleted_in_bulk(pushed: Exchange) -> None:
    pushed.answer_all("A", "angry", pushed.studio.expert_a, first=4)
    changes(pushed)
    chosen: Any = {"all": False, "included": [task.id for task in pushed.tasks("A")[:3]]}
    pushed.server.sdk.actions.create(
        id="delete_tasks_annotations", project=pushed.project_id("A"), selected_items=chosen
    )
    assert changes(pushed)["A"] == {**NOTHING, "deleted": 3}
    pushed.assert_ledger_complete()


def test_an_answer_given_before_the_map_knew_the_task(
    exchange_of: Callable[[list[dict[str, Any]]], Exchange], clips_in_review: list[dict[str, Any]]
) -> None:
    exchange = exchange_of(clips_in_review[:6])
    exchange.killed_at(Fault("POST", r"/import", after=True, hold_s=60), "push")
    assert not exchange.review.tasks().num_rows and len(exchange.tasks("A")) == 6
    exchange.answer_all("A", "angry", exchange.studio.expert_a)
    assert exchange.did("pull")["flagged"] == {"not_pushed": 6}
    exchange.did("push")
    found = exchange.did("pull")
    assert (found["flagged"], found["done"]["A"]) == ({}, 6)
    exchange.assert_once_each()
    exchange.assert_ledger_complete()


def test_who_answered_survives_the_account(pushed: Exchange) -> None:
    import httpx

    admin = {"Authorization": f"Token {pushed.studio.admin.token}"}
    before, after = pushed.tasks("A")[0].id, pushed.tasks("A")[1].id

    def temporary(name: str) -> int:
        user = {"username": name, "email": f"{name}@Example.com", "first_name": "T", "last_name": "P"}
        made = httpx.post(f"{pushed.studio.url}/api/users/", json=user, headers=admin).raise_for_status()
        return int(made.json()["id"])

    def answered(task: int, user: int) -> None:
        sent = {"result": result_of("sad"), "completed_by": user, "lead_time": 5.0}
        httpx.post(f"{pushed.studio.url}/api/tasks/{task}/annotations/", json=sent, headers=admin).raise_for_status()

    first, second = temporary("leaver"), temporary("stranger")
    answered(before, first)
    changes(pushed)
    answered(after, second)
    for user in (first, second):
        httpx.delete(f"{pushed.studio.url}/api/users/{user}/", headers=admin).raise_for_status()
    assert changes(pushed)["A"] == {**NOTHING, "new": 1}
    assert changes(pushed, "--full")["A"] == NOTHING
    who = {row["task_id"]: row["annotator"] for row in pushed.review.ledger().to_pylist()}
    assert who == {before: "leaver@example.com", after: "unknown"}
    pushed.assert_ledger_complete()


# -- what is read, and what that proves --------------------------------------------------------------------------------


def test_only_what_changed_is_read(pushed: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    # As if a minute had gone by since the push.
    monkeypatch.setattr(listing, "_SETTLED_S", -1.0)
    changes(pushed)
    pushed.answer_all("A", "angry", pushed.studio.expert_a, first=1)
    read: list[int] = []
    from review_ui.pull import pull_all

    pull_all(pushed.review, listener=lambda done, total: read.append(done))
    assert read == [1, 0, 0]
    pushed.assert_ledger_complete()
    # A change that showed late is found by the count.
    monkeypatch.setattr(listing, "_SETTLED_S", -3600.0)
    changes(pushed, "--full")
    since = pushed.review.store.read_text(PULLED)
    pushed.answer_all("B", "sad", pushed.studio.expert_b, first=2)
    later = (listing.instant(pushed.tasks("B")[1].updated_at.isoformat()) + timedelta(days=1)).isoformat()
    pushed.review.store.write_text(PULLED, since.replace(since.split('": "')[2][:25], later[:25]))
    pushed.did("pull")
    pushed.assert_ledger_complete()


def test_many_pages(pushed: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_PAGE", 5)
    monkeypatch.setattr("review_ui.pull._ROWS_PER_FILE", 4)
    pushed.answer_all("A", "angry", pushed.studio.expert_a)
    assert changes(pushed)["A"] == {**NOTHING, "new": 12}
    pushed.assert_ledger_complete()
    assert len(pushed.review.store.list("review/ledger")) == 3
    pushed.assert_once_each()


@pytest.mark.parametrize(
    "fault",
    [
        Fault("GET", TASKS, skip=2, status=404),
        Fault("GET", TASKS, skip=2, status=200, body=b'{"tasks": [], "total": 7}'),
        Fault("GET", TASKS, skip=2, status=200, body=WEB_PAGE),
        Fault("GET", TASKS, skip=2, status=200, body=b"[]"),
    ],
    ids=["404", "an empty page", "HTML", "another service"],
)
def test_pages_that_do_not_come_are_no_end(pushed: Exchange, monkeypatch: pytest.MonkeyPatch, fault: Fault) -> None:
    monkeypatch.setattr(listing, "_PAGE", 5)
    pushed.answer_all("A", "angry", pushed.studio.expert_a)
    fault = pushed.proxy.add(replace(fault))
    assert "Label Studio" in pushed.failed("pull")
    assert fault.hit
    fault.times = 0
    pushed.did("pull")
    pushed.assert_ledger_complete()


@pytest.mark.parametrize(
    "fault",
    [
        Fault("GET", TASKS),
        Fault("GET", TASKS, after=True, times=2),
        Fault("GET", TASKS, status=500),
        Fault("GET", "/api/dm/project", status=429, headers={"Retry-After": "2"}),
        Fault("GET", TASKS, status=502, body=WEB_PAGE),
    ],
    ids=["cut before", "cut after twice", "500", "429", "502 and HTML"],
)
def test_what_is_over_soon_is_waited_for(pushed: Exchange, fault: Fault) -> None:
    pushed.answer_all("A", "angry", pushed.studio.expert_a, first=3)
    fault = pushed.proxy.add(replace(fault))
    assert changes(pushed)["A"] == {**NOTHING, "new": 3}
    assert fault.hit == fault.times
    pushed.assert_ledger_complete()


def test_numbers_that_do_not_agree_are_an_error(pushed: Exchange) -> None:
    pushed.answer_all("A", "angry", pushed.studio.expert_a, first=3)
    project = pushed.settings.projects["A"]
    told = {"task_count": 12, "annotation_count": 4, "label_config": project.config, "description": project.marker}
    of_slot_a = rf"/api/dm/project\?project={pushed.project_id('A')}$"
    lie = Fault("GET", of_slot_a, status=200, body=json.dumps(told).encode(), times=99)
    pushed.proxy.add(lie)
    said = pushed.failed("pull")
    assert "says it holds 4 answers, the ledger has 3 of it" in said
    lie.times = 0
    pushed.did("pull")
    pushed.assert_ledger_complete()


def test_an_answer_that_comes_between_counting_and_reading(pushed: Exchange) -> None:
    pushed.answer_all("A", "angry", pushed.studio.expert_a, first=3)
    before = pushed.proxy.add(Fault("GET", TASKS, delay_s=2.0))  # the number was asked for before
    late = threading.Thread(
        target=lambda: (
            [time.sleep(0.01) for _ in iter(lambda: before.hit, 1)],
            pushed.answer_task(pushed.tasks("A")[5].id, "sad", pushed.studio.expert_a),
        )
    )
    late.start()
    done = changes(pushed)
    late.join()
    assert done["A"] == {**NOTHING, "new": 4}
    pushed.assert_ledger_complete()


@pytest.mark.parametrize(
    "fault",
    [
        Fault("GET", TASKS, after=True, hold_s=60),
        Fault("GET", TASKS, skip=1, after=True, hold_s=60),
        Fault("GET", TASKS, skip=2, after=True, hold_s=60),
    ],
    ids=["reading", "slot A was written", "both slots were written"],
)
def test_a_kill_at_any_moment(pushed: Exchange, fault: Fault) -> None:
    pushed.answer_all("A", "angry", pushed.studio.expert_a)
    pushed.answer_all("B", "sad", pushed.studio.expert_b)
    pushed.killed_at(replace(fault), "pull")
    pushed.did("pull")
    pushed.assert_ledger_complete()
    assert pushed.review.ledger().num_rows == 24


def test_a_server_that_dies_in_the_middle(pushed: Exchange) -> None:
    pushed.answer_all("A", "angry", pushed.studio.expert_a)
    pushed.answer_all("B", "sad", pushed.studio.expert_b)

    def stop_in_the_middle() -> None:
        while pushed.proxy.count("GET", TASKS) < 1:
            time.sleep(0.001)
        pushed.studio.stop()

    pushed.proxy.seen.clear()
    stopper = threading.Thread(target=stop_in_the_middle)
    stopper.start()
    try:
        assert "could not" in pushed.failed("pull")
    finally:
        stopper.join()
        pushed.studio.start()
    pushed.did("pull")
    pushed.assert_ledger_complete()
    assert pushed.review.ledger().num_rows == 24


def test_two_pulls_at_once(pushed: Exchange) -> None:
    import subprocess

    from tests.pipeline.command import EMOTROVE

    pushed.answer_all("A", "angry", pushed.studio.expert_a)
    command = [*EMOTROVE, "review", "pull", pushed.run]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) for _ in range(2)]
    assert [process.wait() for process in both] == [0, 0]
    for process in both:
        process.communicate()
    pushed.assert_ledger_complete()
    assert pushed.review.ledger().num_rows == 12


def test_a_damaged_record_of_pulls(pushed: Exchange) -> None:
    pushed.review.store.write_text(PULLED, "{")
    assert f"{PULLED} is damaged" in pushed.failed("pull")
    pushed.review.store.delete(PULLED)
    pushed.did("pull")
