"""Reading the rows of a run back, for comparing runs."""

from typing import Any

from manifests.run_folder import RunFolder

Row = dict[str, Any]


def rows_of(run: RunFolder | str) -> dict[str, Row]:
    """All rows by id. Fails where an id is there twice."""
    folder = run if isinstance(run, RunFolder) else RunFolder(run)
    rows = folder.dataset().to_table().to_pylist()
    by_id = {row["utterance_id"]: row for row in rows}
    assert len(by_id) == len(rows), "an id is there twice"
    return by_id


def judged(row: Row) -> tuple[Any, ...]:
    """What may not depend on how a run went: outcome, label, words and text."""
    style, rationale, agreed = row["style"] or {}, row["rationale"] or {}, row["consensus"] or {}
    return (
        row["shard"],
        row["position"],
        row["audio_sha256"],
        row["outcome"],
        row["stage"],
        row["reason"],
        agreed.get("emotion"),
        *(style.get(f"{name}_level") for name in ("pitch", "loudness", "rate")),
        rationale.get("text"),
        rationale.get("text_zh"),
    )


def scores(row: Row) -> list[float]:
    """Every score of every vote."""
    return [score["score"] for vote in row["votes"] or () for score in vote["scores"]]


def assert_same(left: dict[str, Row], right: dict[str, Row], tolerance: float = 1e-5) -> None:
    """The same ids, outcomes, labels, words and texts, and scores within the tolerance."""
    assert left.keys() == right.keys()
    for utterance_id, row in left.items():
        other = right[utterance_id]
        assert judged(row) == judged(other)
        worst = max((abs(a - b) for a, b in zip(scores(row), scores(other), strict=True)), default=0.0)
        assert worst <= tolerance, f"{utterance_id}: scores differ by {worst}"
