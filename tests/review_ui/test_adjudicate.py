"""``review adjudicate`` against a real Label Studio: conflicts, only conflicts, and only as long as they last."""

from collections.abc import Callable
from typing import Any

import pytest

from review_ui.server import LabelStudioServer
from tests.pipeline.command import cli
from tests.review_ui.exchange import Exchange, result_of
from tests.review_ui.faulty_proxy import Fault

IMPORT = r"/api/projects/\d+/import"


@pytest.fixture
def answered(
    exchange_of: Callable[[list[dict[str, Any]]], Exchange], clips_in_review: list[dict[str, Any]]
) -> Exchange:
    """Twelve clips that both experts have answered; they differ on the first eight."""
    exchange = exchange_of(clips_in_review[:12])
    exchange.did("push")
    for number, row in enumerate(exchange.rows):
        exchange.answer("A", row["utterance_id"], "angry", exchange.studio.expert_a)
        exchange.answer("B", row["utterance_id"], "sad" if number < 8 else "angry", exchange.studio.expert_b)
    exchange.did("pull")
    return exchange


def waiting(exchange: Exchange) -> list[str]:
    return sorted(task.utterance_id or "" for task in exchange.tasks("adjudication"))


def conflicts(exchange: Exchange, but: int = 0) -> list[str]:
    return sorted(row["utterance_id"] for row in exchange.rows[but:8])


def edit(exchange: Exchange, slot: str, utterance_id: str, answer: str) -> None:
    [task] = [t for t in exchange.tasks(slot, annotations=True) if t.utterance_id == utterance_id]
    user = exchange.studio.expert_a if slot == "A" else exchange.studio.expert_b
    sdk = LabelStudioServer(exchange.studio.url, user.token).sdk
    sdk.annotations.update(id=task.annotations[0]["id"], result=result_of(answer))
    exchange.did("pull")


def test_conflicts_go_to_the_third_project(answered: Exchange) -> None:
    done = answered.did("adjudicate")
    assert (done["conflicts"], done["pushed"]["new"], done["withdrawn"], done["refused"]) == (8, 8, 0, [])
    assert waiting(answered) == conflicts(answered)
    data = [task.data for task in answered.tasks("adjudication")]
    shown = {(d["answer_1"], d["answer_2"]) for d in data}
    # Both orders are there, so the place of an answer does not tell of whom it is.
    assert shown == {("angry", "sad"), ("sad", "angry")}
    assert not any(name in str(data) for name in ("expert", "example.com", "slot"))
    again = answered.did("adjudicate")
    assert (again["pushed"]["new"], again["updated"], again["withdrawn"]) == (0, 0, 0)
    assert [task.data for task in answered.tasks("adjudication")] == data


def test_a_conflict_that_vanishes_is_taken_back_unless_somebody_has_begun(answered: Exchange) -> None:
    answered.did("adjudicate")
    first, second, third = conflicts(answered)[:3]
    answered.answer("adjudication", second, "angry", answered.studio.adjudicator, reason="it is loud")
    import httpx

    httpx.post(
        f"{answered.studio.url}/api/tasks/{answered.task_of('adjudication', third)}/drafts",
        json={"result": result_of("sad"), "lead_time": 3},
        headers={"Authorization": f"Token {answered.studio.adjudicator.token}"},
    ).raise_for_status()
    for utterance in (first, second, third):
        edit(answered, "B", utterance, "angry")
    done = answered.did("adjudicate")
    assert (done["withdrawn"], done["conflicts"]) == (1, 5)
    assert waiting(answered) == sorted(set(conflicts(answered)) - {first})
    answered.assert_ledger_complete()
    # And when the experts differ again, it comes again.
    edit(answered, "B", first, "happy")
    assert answered.did("adjudicate")["pushed"]["new"] == 1
    assert waiting(answered) == conflicts(answered)
    [task] = [t for t in answered.tasks("adjudication") if t.utterance_id == first]
    assert {task.data["answer_1"], task.data["answer_2"]} == {"angry", "happy"}


def test_a_task_shows_the_present_answers(answered: Exchange) -> None:
    answered.did("adjudicate")
    first, second = conflicts(answered)[:2]
    before = {task.utterance_id: task.id for task in answered.tasks("adjudication")}
    answered.answer("adjudication", second, "angry", answered.studio.adjudicator, reason="it is loud")
    for utterance in (first, second):
        edit(answered, "A", utterance, "fearful")
    assert answered.did("adjudicate")["updated"] == 1
    tasks = {task.utterance_id: task for task in answered.tasks("adjudication")}
    assert {name: task.id for name, task in tasks.items()} == before
    assert {tasks[first].data["answer_1"], tasks[first].data["answer_2"]} == {"fearful", "sad"}
    assert {tasks[second].data["answer_1"], tasks[second].data["answer_2"]} == {"angry", "sad"}


def test_who_answered_as_an_expert_is_refused(answered: Exchange) -> None:
    answered.did("adjudicate")
    first, second, third = conflicts(answered)[:3]
    partial = answered.answer("adjudication", first, "angry", answered.studio.expert_a, reason="mine is right")
    answered.answer("adjudication", second, "angry", answered.studio.adjudicator, reason="it is loud")
    answered.answer("adjudication", third, "angry", answered.studio.adjudicator)
    found = answered.did("pull")
    assert found["flagged"] == {"no_reason": 1, "adjudicator_answered": 1}
    assert (found["conflicts"], found["with_adjudicator"], found["blocked"]) == (7, 7, 2)
    assert {"slot": "adjudication", "utterance_id": third, "flags": ["no_reason"]}.items() <= next(
        one for one in found["flagged_answers"] if one["utterance_id"] == third
    ).items()
    said = cli("review", "pull", answered.run).stdout
    assert f"an adjudication without a reason: {third} (adjudication)" in said
    assert "2 of these stand alone" in said and "7 clips are with the adjudicator" in said
    assert "emotrove review adjudicate" not in said  # there is nothing for it to do
    result = cli("review", "adjudicate", answered.run)
    assert f"refused: expert.a@example.com answered {first} as an expert" in result.stdout
    assert "7 clips wait for the adjudicator, 1 are settled" in result.stdout
    answered.server.sdk.annotations.delete(id=partial)
    answered.did("pull")
    answered.answer("adjudication", first, "no_agreement", answered.studio.adjudicator, reason="both are heard")
    found = answered.did("pull")
    assert (found["done"]["adjudication"], found["total"]["adjudication"], found["conflicts"]) == (2, 8, 6)
    assert answered.did("adjudicate")["refused"] == []
    answered.assert_ledger_complete()


def test_an_answer_lost_on_the_way_and_a_kill(answered: Exchange) -> None:
    answered.killed_at(Fault("POST", IMPORT, after=True, hold_s=60), "adjudicate")
    answered.proxy.add(Fault("POST", IMPORT, after=True))
    answered.did("adjudicate")
    assert waiting(answered) == conflicts(answered)
    assert answered.did("adjudicate")["pushed"]["new"] == 0


def test_nothing_to_settle(exchange: Exchange) -> None:
    done = exchange.did("adjudicate")
    assert (done["conflicts"], done["pushed"]["new"]) == (0, 0)
    assert not exchange.tasks("adjudication")
