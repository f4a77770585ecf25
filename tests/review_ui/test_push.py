"""``review push`` against a real Label Studio: each clip once in each slot, whatever happens on the way."""

import json
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from manifests.audio_uri import AudioUri
from manifests.lease import Lease
from manifests.storage import Store
from review_ui import exclusive
from review_ui.importing import import_tasks
from review_ui.label_config import UTTERANCE_FIELD
from tests.pipeline.command import cli
from tests.review_ui.clip_rows import clip_rows
from tests.review_ui.exchange import Exchange
from tests.review_ui.faulty_proxy import Fault

IMPORT = r"/api/projects/\d+/import"
WEB_PAGE = b"<!DOCTYPE html><html><body>Welcome to nginx</body></html>"


def test_every_clip_goes_to_both_slots_once(exchange: Exchange) -> None:
    done = exchange.did("push", "--batch-size", 10)
    for slot in ("A", "B"):
        assert {name: done["slots"][slot][name] for name in ("wanted", "there", "new")} == dict.fromkeys(
            ("wanted", "there", "new"), 24
        )
    exchange.assert_once_each()
    again = exchange.did("push")
    assert [again["slots"][slot]["new"] for slot in ("A", "B")] == [0, 0]
    exchange.assert_once_each()
    assert not exchange.tasks("adjudication")


def test_neither_place_nor_data_tells_why_a_clip_is_there(exchange: Exchange) -> None:
    exchange.did("push", "--batch-size", 10)
    arm = {row["utterance_id"]: row["arm"] for row in exchange.rows}
    orders = {slot: [task.utterance_id for task in exchange.tasks(slot)] for slot in ("A", "B")}
    routed = [row["utterance_id"] for row in exchange.rows]
    assert orders["A"] != orders["B"] and routed not in orders.values()
    for order in orders.values():
        # Four gold and four control items, and not one after another.
        arms = "".join(arm[utterance or ""][0] for utterance in order)
        assert "gggg" not in arms and "cccc" not in arms
    shapes = {frozenset(task.data) for slot in ("A", "B") for task in exchange.tasks(slot)}
    assert shapes == {frozenset({"audio", "text", UTTERANCE_FIELD})}
    told = json.dumps([task.data for task in exchange.tasks("A")])
    assert not any(word in told for word in ("gold", "control", "selected", "EN-B000000", "position"))


def test_the_audio_that_an_expert_gets_is_that_of_the_shard(exchange: Exchange) -> None:
    exchange.did("push")
    expert = type(exchange.server)(exchange.studio.url, exchange.studio.expert_b.token)
    of = {row["utterance_id"]: row for row in exchange.rows}
    for task in exchange.tasks("B")[:3]:
        answer = expert.get(task.data["audio"])
        assert answer.status_code == 200
        assert answer.content == AudioUri.parse(of[task.utterance_id or ""]["audio_uri"]).read()


def test_what_is_routed_later_is_added(
    exchange_of: Callable[[list[dict[str, Any]]], Exchange], clips_in_review: list[dict[str, Any]]
) -> None:
    import pyarrow as pa

    from manifests.review import ROUTES

    exchange = exchange_of(clips_in_review[:15])
    exchange.did("push")
    before = exchange.tasks("A")
    later = [{**row, "round": 1} for row in clips_in_review[15:]]
    exchange.review.append_decided(pa.Table.from_pylist(later, schema=ROUTES))
    exchange.rows = clips_in_review
    assert exchange.did("push")["slots"]["B"]["new"] == 9
    exchange.assert_once_each()
    assert exchange.tasks("A")[:15] == before


def test_the_machine_is_shown_only_where_that_was_asked_for(exchange: Exchange) -> None:
    from review_ui.projects import Wanted, init
    from tests.review_ui.clip_rows import routed_run

    shown = routed_run(exchange.studio.document_root / f"{Path(exchange.run).name}-shown", exchange.rows[:3])
    settings = init(shown, Wanted(url=exchange.studio.url, screen="en", show_machine=True))
    assert cli("review", "push", shown.run).exit_code == 0
    exchange.settings = settings
    data = {task.utterance_id: task.data for task in exchange.tasks("A")}
    assert {(d["machine_label"], d["rationale"]) for d in data.values()} == {
        (row["emotion"], f"why {row['position']}") for row in exchange.rows[:3]
    }
    assert set(shown.tasks()["show_machine"].to_pylist()) == {True}


def test_a_rate_is_kept(exchange: Exchange) -> None:
    begin = time.monotonic()
    exchange.did("push", "--max-rate", 20)
    assert time.monotonic() - begin > 1.8  # 48 tasks; the first of the batches do not wait
    assert exchange.proxy.count("POST", IMPORT) >= 4
    exchange.assert_once_each()


# -- what Label Studio's users do --------------------------------------------------------------------------------------


def test_a_task_deleted_in_label_studio_comes_again(exchange: Exchange) -> None:
    exchange.did("push")
    gone = [task.id for task in exchange.tasks("A")][-2:]  # the last ones: SQLite gives their numbers away again
    for task in gone:
        exchange.server.sdk.tasks.delete(id=str(task))
    done = exchange.did("push")["slots"]
    assert (done["A"]["deleted"], done["A"]["new"], done["B"]["new"]) == (2, 2, 0)
    exchange.assert_once_each()
    result = cli("review", "push", exchange.run)
    assert "slot A: 24 of 24 clips are there, 0 new" in result.stdout


def test_doubles_are_removed_but_for_what_was_begun(exchange: Exchange) -> None:
    exchange.did("push")
    first, second, third = exchange.tasks("A")[:3]
    doubles = [{"data": task.data} for task in (first, second, third)]
    ids = exchange.server.sdk.projects.import_tasks(
        exchange.project_id("A"),
        request=doubles,  # type: ignore[arg-type]
        return_task_ids=True,
    ).task_ids
    assert ids is not None
    exchange.answer_task(ids[1], "happy", exchange.studio.expert_a)
    exchange.answer_task(third.id, "sad", exchange.studio.expert_a)
    exchange.answer_task(ids[2], "sad", exchange.studio.expert_a)
    done = exchange.did("push")["slots"]["A"]
    assert (done["removed"], done["new"], done["begun_twice"]) == (2, 0, [third.utterance_id])
    there = {task.id for task in exchange.tasks("A")}
    # Of the first the old one stays, of the second the answered one, of the third both.
    assert {first.id, ids[1], third.id, ids[2]} <= there and not {ids[0], second.id} & there
    exchange.did("pull")
    exchange.assert_ledger_complete()
    exchange.server.sdk.tasks.delete(id=str(ids[2]))
    assert exchange.did("push")["slots"]["A"]["begun_twice"] == []
    exchange.assert_once_each()


def test_tasks_of_others_are_left_alone(exchange: Exchange) -> None:
    foreign = [{"data": {"audio": "/data/x.mp3", "text": "theirs"}}]
    exchange.server.sdk.projects.import_tasks(exchange.project_id("A"), request=foreign)  # type: ignore[arg-type]
    exchange.did("push")
    assert len(exchange.tasks("A")) == 25
    assert exchange.did("push")["slots"]["A"] == {**exchange.did("push")["slots"]["A"], "new": 0, "removed": 0}
    assert len(exchange.tasks("A")) == 25


def test_a_screen_edited_by_hand_stops_it(exchange: Exchange) -> None:
    project = exchange.settings.projects["B"]
    edited = project.config.replace('alias="angry"', 'alias="furious"')
    exchange.server.sdk.projects.update(project.project_id, label_config=edited)
    for command in ("push", "pull"):
        said = exchange.failed(command)
        assert "slot B" in said and "was changed by hand" in said and "emotrove review init RUN --repair" in said
    assert not exchange.tasks("A")
    assert cli("review", "init", exchange.run, "--repair").exit_code == 0
    exchange.did("push")
    exchange.assert_once_each()


# -- clips -------------------------------------------------------------------------------------------------------------


def test_a_clip_whose_shard_has_moved_keeps_back_no_other(
    exchange_of: Callable[[list[dict[str, Any]]], Exchange], clips_in_review: list[dict[str, Any]], tmp_path: Path
) -> None:
    tar = tmp_path / "EN-B000007.tar"
    shutil.copyfile(AudioUri.parse(clips_in_review[0]["audio_uri"]).url, tar)
    moved = [{**row, "position": at, "shard": tar.stem} for at, row in enumerate(clip_rows(tar)[:3])]
    exchange = exchange_of([*moved, *clips_in_review[3:]])
    tar.rename(tmp_path / "elsewhere.tar")
    said = exchange.failed("push")
    assert "3 clips were not pushed, all others were" in said and "Was the shard moved?" in said
    assert f"the same command again: emotrove review push {exchange.run}" in said
    exchange.assert_once_each(but=[row["utterance_id"] for row in moved])
    (tmp_path / "elsewhere.tar").rename(tar)
    exchange.did("push")
    exchange.assert_once_each()


# -- what goes wrong on the way ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST", IMPORT, skip=1),
        Fault("POST", IMPORT, skip=1, after=True),
        Fault("POST", IMPORT, skip=1, after=True, times=2),
        Fault("POST", IMPORT, skip=1, status=500),
        Fault("POST", IMPORT, skip=2, status=429, headers={"Retry-After": "2"}),
        Fault("POST", IMPORT, skip=1, status=502, body=WEB_PAGE, headers={"Content-Type": "text/html"}),
        Fault("GET", "/api/tasks", status=500, times=2),
    ],
    ids=["cut before", "cut after", "cut after twice", "500", "429", "502 and HTML", "500 while listing"],
)
def test_what_is_over_soon_is_waited_for(exchange: Exchange, fault: Fault) -> None:
    fault = exchange.proxy.add(replace(fault))
    begin = time.monotonic()
    exchange.did("push", "--batch-size", 10)
    assert fault.hit == fault.times
    assert time.monotonic() - begin >= float(fault.headers.get("Retry-After", 0))
    exchange.assert_once_each()


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault("POST", IMPORT, skip=1, status=200, body=WEB_PAGE), "answers with a web page"),
        (Fault("POST", IMPORT, skip=1, status=404), "It may have been deleted in Label Studio"),
        (Fault("POST", IMPORT, skip=1, status=401), "the token is wrong, expired"),
        (Fault("GET", "/api/tasks", status=404), "It may have been deleted in Label Studio"),
        (Fault("GET", "/api/tasks", status=200, body=WEB_PAGE), "answers with a web page"),
        (Fault("GET", "/api/tasks", status=200, body=b'{"tasks": [], "total": 7}'), "gave 0 of 7 tasks"),
    ],
    ids=["HTML", "404", "401", "404 while listing", "HTML while listing", "an empty page"],
)
def test_what_is_not_over_soon_is_said_and_the_same_command_goes_on(
    exchange: Exchange, fault: Fault, said: str
) -> None:
    fault = exchange.proxy.add(replace(fault))
    assert said in exchange.failed("push", "--batch-size", 10)
    fault.times = 0
    exchange.did("push", "--batch-size", 10)
    exchange.assert_once_each()


def test_an_import_that_is_never_confirmed_is_not_sent_for_ever(
    exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("review_ui.importing._PAUSES_S", (0.1, 0.1))
    exchange.proxy.add(Fault("POST", IMPORT, status=503, times=99))
    assert "an error of its own (503" in exchange.failed("push")
    assert exchange.proxy.count("POST", IMPORT) == 3
    exchange.proxy.faults.clear()
    exchange.did("push")
    exchange.assert_once_each()


def test_a_part_that_arrived_is_not_sent_again(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("review_ui.importing._PAUSES_S", (0.1,))
    project = exchange.project_id("A")
    tasks = [{"audio": f"/data/{n}", "text": "t", UTTERANCE_FIELD: f"u{n}"} for n in range(6)]
    known = import_tasks(exchange.server, project, tasks[:2], 0)
    exchange.proxy.add(Fault("POST", IMPORT))
    through = type(exchange.server)(exchange.proxy.url, exchange.studio.admin.token)
    ids = import_tasks(through, project, tasks, 0)
    assert ids[:2] == known
    assert [task.utterance_id for task in exchange.tasks("A")] == [task[UTTERANCE_FIELD] for task in tasks]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("GET", "/api/tasks", after=True, hold_s=60),
        Fault("POST", IMPORT, delay_s=60),
        Fault("POST", IMPORT, after=True, hold_s=60),
        Fault("POST", IMPORT, skip=1, after=True, hold_s=60),
        Fault("POST", IMPORT, skip=4, after=True, hold_s=60),
        Fault("GET", "/api/dm/project", skip=2, after=True, hold_s=60),
    ],
    ids=["looking", "before the import", "in the import", "in the second", "in slot B", "counting"],
)
def test_a_kill_at_any_moment(exchange: Exchange, fault: Fault) -> None:
    exchange.killed_at(replace(fault), "push", "--batch-size", 10)
    exchange.did("push", "--batch-size", 10)
    exchange.assert_once_each()


def test_a_server_that_dies_in_the_middle(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("review_ui.importing._PAUSES_S", (0.1,))

    def stop_in_the_middle() -> None:
        while exchange.proxy.count("POST", IMPORT) < 2:
            time.sleep(0.001)
        exchange.studio.stop()

    stopper = threading.Thread(target=stop_in_the_middle)
    stopper.start()
    try:
        assert "could not" in exchange.failed("push", "--batch-size", 4)
    finally:
        stopper.join()
        exchange.studio.start()
    exchange.did("push", "--batch-size", 4)
    exchange.assert_once_each()


def test_label_studio_down_at_the_start(exchange: Exchange) -> None:
    exchange.proxy.close()
    for command in ("push", "pull", "adjudicate"):
        said = exchange.failed(command)
        assert "could not sign in: nothing answers there" in said and "Start it, or check the URL" in said


def test_tokens(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    import jwt

    from review_ui.server import TOKEN_VARIABLE

    expired = jwt.encode({"exp": 1, "token_type": "refresh"}, "k" * 32, algorithm="HS256")
    for token, why in (
        ("0" * 40, "the token is wrong, expired"),
        (expired, "expired"),
        ("", f"set {TOKEN_VARIABLE}_A"),
    ):
        monkeypatch.setenv(TOKEN_VARIABLE, token)
        for command in ("push", "pull"):
            said = exchange.failed(command)
            assert why in said and (not token or token not in said)
    monkeypatch.setenv(f"{TOKEN_VARIABLE}_A", exchange.studio.admin.token)
    monkeypatch.setenv(TOKEN_VARIABLE, "0" * 40)
    # Of two projects one may not be reached: nothing goes to the other either.
    assert "the token is wrong" in exchange.failed("push")
    assert not exchange.tasks("A")


def test_only_one_writes(exchange: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exclusive, "PATIENCE_S", 0.5)
    with Lease(Store(f"{exchange.run}/review")):
        for command in ("push", "pull", "adjudicate"):
            assert "is at work on" in exchange.failed(command)
    exchange.did("push")
    exchange.assert_once_each()


def test_without_routes_or_without_projects(exchange: Exchange, tmp_path: Path) -> None:
    from tests.review_ui.clip_rows import routed_run

    bare = routed_run(tmp_path / "bare", exchange.rows[:1])
    result = cli("review", "push", bare.run)
    assert result.exit_code == 1 and "Make its projects with: emotrove review init" in result.stderr
    exchange.review.store.delete("routes/decided-000000.parquet")
    assert f"Choose some with: emotrove route {exchange.run}" in exchange.failed("push")
    result = cli("review", "pull", tmp_path / "nothing")
    assert result.exit_code == 1 and "is not a run folder" in result.stderr
