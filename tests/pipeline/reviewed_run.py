"""A run that experts have reviewed: real audio, routes, tasks and a ledger with answers of one's own choice."""

import datetime as dt
from pathlib import Path
from typing import Any

import pyarrow as pa

from manifests.review import ADJUDICATION, LEDGER, ROUTES, SLOTS, TASKS
from manifests.review_folder import ReviewFolder
from manifests.run_folder import RunFolder
from tests.pipeline.small_run import Row, finished_run
from tests.pipeline.small_shard import clip, shard_of

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.timezone.utc)
PEOPLE = {"A": "ann@lab.example.org", "B": "bob@lab.example.org", ADJUDICATION: "cy@lab.example.org"}
_NOT_OF_THE_LABELS = ("a", "b", "settled", "arm", "policy", "gold_emotion", "people", "note")


def heard(name: str, a: str | None = None, b: str | None = None, settled: str | None = None, **more: Any) -> Row:
    """A clip with what the experts said of it; the machine says sad."""
    given = {"arm": "selected", "speaker": f"speaker-{name}", "source_id": f"source-{name}", "license": "CC BY 4.0"}
    machine = more.pop("machine", "sad")
    return clip(name, machine, **{**given, "a": a, "b": b, "settled": settled, **more})


def reviewed_run(folder: Path, clips: list[Row], settings: bool = True) -> RunFolder:
    """A run of these clips in ``folder/run``, its shard in ``folder/in``; every clip was routed to the experts."""
    labels = [{key: value for key, value in row.items() if key not in _NOT_OF_THE_LABELS} for row in clips]
    rows = shard_of(folder / "in", "EN-0", labels)
    run = finished_run(folder / "run", rows)
    review = ReviewFolder(run)
    review.append_decided(
        pa.Table.from_pylist([_route(row, given) for row, given in zip(rows, clips, strict=True)], schema=ROUTES)
    )
    if settings:
        review.write_settings({"projects": {}})
    for slot in SLOTS:
        tasks = [_task(slot, n, row) for n, row in enumerate(clips) if slot != ADJUDICATION or row["settled"]]
        if tasks:
            review.append_tasks(slot, pa.Table.from_pylist(tasks, schema=TASKS))
    answers = [
        _answer(slot, n, row, said)
        for n, row in enumerate(clips)
        for slot, said in zip(SLOTS, (row["a"], row["b"], row["settled"]), strict=True)
        if said
    ]
    if answers:
        review.append_ledger(pa.Table.from_pylist(answers, schema=LEDGER))
    return run


def _route(row: Row, given: Row) -> Row:
    copied = ("utterance_id", "shard", "position", "language", "source_id", "duration_s", "text")
    return {
        **{name: row.get(name) for name in (*copied, "audio_uri", "audio_format", "audio_sha256")},
        "decision": "review",
        "reason": given["arm"],
        "arm": given["arm"],
        "policy": given.get("policy", "disagreement"),
        "emotion": row["votes"][0]["emotion"] if row["votes"] else None,
        "gold_emotion": given.get("gold_emotion"),
        "round": 0,
        "seed": 0,
    }


def _task(slot: str, n: int, row: Row) -> Row:
    return {
        "slot": slot,
        "utterance_id": row["utterance_id"],
        "project_id": 7_000_001 + SLOTS.index(slot),
        "task_id": _number(slot, n, 8),
        "clip": f"clip{n}",
        "show_machine": False,
        "pushed_at": NOON,
    }


def _number(slot: str, n: int, what: int) -> int:
    """A Label Studio id that is found again wherever it may turn up."""
    return what * 1_000_000 + SLOTS.index(slot) * 100_000 + n


def _answer(slot: str, n: int, row: Row, said: str) -> Row:
    given = NOON + dt.timedelta(seconds=10 * n + SLOTS.index(slot))
    return {
        "seq": 10 * n + SLOTS.index(slot),
        "slot": slot,
        "project_id": 7_000_001 + SLOTS.index(slot),
        "task_id": _number(slot, n, 8),
        "annotation_id": _number(slot, n, 9),
        "utterance_id": row["utterance_id"],
        "state": "submitted",
        "annotator": row.get("people", PEOPLE)[slot],
        "answer": said,
        "intensity": 3,
        "confidence": 4,
        "note": row.get("note"),
        "reason": "the voice trembles, says ann@lab.example.org" if slot == ADJUDICATION else None,
        "lead_time_s": 5.0,
        "created_at": given,
        "updated_at": given,
        "pulled_at": given,
    }
