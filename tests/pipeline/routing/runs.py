"""Runs to be routed, and what a routing decided of them."""

import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

from manifests.review import ROUTES
from manifests.review_folder import HELD, ReviewFolder
from manifests.run_folder import RunFolder
from tests.pipeline.small_run import Row, a_vote, finished_run


def utterance(name: str, *votes: tuple[str, float], **more: Any) -> Row:
    """A labelled clip with a source and a text of its own, and what its voters said."""
    said = [a_vote(emotion, confidence, f"voter{n}") for n, (emotion, confidence) in enumerate(votes)]
    own = {"shard": "EN-1", "language": "en", "source_id": f"source-{name}", "text": f"the words of {name}"}
    own |= {"duration_s": 2.5, "audio_uri": f"/data/EN-1.tar#512+{len(name)}", "audio_format": "mp3"}
    return {
        "utterance_id": name,
        "votes": said,
        "audio_sha256": hashlib.sha256(name.encode()).hexdigest(),
        **own,
        **more,
    }


def many(count: int, emotion: str = "sad", **more: Any) -> list[Row]:
    return [utterance(f"u{n:04d}", (emotion, 0.5 + n / 2 / count), **more) for n in range(count)]


def a_run(folder: Path | str, rows: list[Row]) -> RunFolder:
    """Positions as the rows come."""
    at: Counter[str] = Counter()
    placed = []
    for row in rows:
        placed.append({**row, "position": at[row["shard"]]})
        at[row["shard"]] += 1
    return finished_run(folder, placed)  # type: ignore[arg-type]


def decided(run: RunFolder) -> dict[str, Row]:
    """Rows by id; each is there once."""
    rows = ReviewFolder(run).decided().to_table().to_pylist()
    found = {row["utterance_id"]: row for row in rows}
    assert len(found) == len(rows), "an utterance was decided twice"
    return found


def held(run: RunFolder) -> dict[str, str]:
    """Reason by id."""
    table = run.read_table(HELD)
    assert table.schema.equals(ROUTES, check_metadata=False) and set(table["decision"].to_pylist()) <= {"hold"}
    return dict(zip(table["utterance_id"].to_pylist(), table["reason"].to_pylist(), strict=True))


def arm(run: RunFolder, name: str) -> set[str]:
    return {key for key, row in decided(run).items() if row["arm"] == name}


def by_draw(ids: list[str], seed: int = 0) -> list[str]:
    """In the order of chance, worked out without DuckDB."""

    def draw(name: str) -> int:
        # DuckDB takes the sixteen bytes of an MD5 for one number, its last byte the most significant.
        return int.from_bytes(hashlib.md5(f"{seed}:{name}".encode()).digest(), "little") >> 64

    return sorted(ids, key=draw)
