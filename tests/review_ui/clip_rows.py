"""Clips in review whose audio is really there: rows of ROUTES that point into a tar."""

import hashlib
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa

from manifests.audio_uri import AudioUri
from manifests.emotions import CLASSES
from manifests.review import ROUTES
from manifests.review_folder import ReviewFolder
from manifests.run_folder import RunFolder
from tests.pipeline.small_run import a_vote, finished_run


def clip_rows(tar: Path) -> list[dict[str, Any]]:
    """A row for each clip of a tar, in its order; every seventh is gold, every seventh control."""
    rows = []
    with tarfile.open(tar) as file:
        for info in file:
            stem, _, suffix = info.name.rpartition(".")
            if suffix == "json":
                continue
            uri = AudioUri(str(tar), info.offset_data, info.size)
            number = len(rows)
            emotion = str(CLASSES[number % len(CLASSES)])
            rows.append(
                {
                    "utterance_id": stem,
                    "shard": tar.stem,
                    "position": number,
                    "decision": "review",
                    "reason": "selected",
                    "arm": {0: "gold", 1: "control"}.get(number % 7, "selected"),
                    "emotion": emotion,
                    "gold_emotion": emotion if number % 7 == 0 else None,
                    "language": "en",
                    "duration_s": 1.5,
                    "audio_uri": str(uri),
                    "audio_format": suffix,
                    "audio_sha256": hashlib.sha256(uri.read()).hexdigest(),
                    "text": f"words of {number} <b>&amp;",
                    "round": 0,
                    "seed": 7,
                }
            )
    return rows


def routed_run(folder: Path, rows: list[dict[str, Any]]) -> ReviewFolder:
    """A finished run with these clips, all of them in review."""
    labels = [
        {
            **{name: row[name] for name in ("utterance_id", "shard", "position", "language", "duration_s", "text")},
            **{name: row[name] for name in ("audio_uri", "audio_format", "audio_sha256")},
            "votes": [a_vote(row["emotion"])],
            "rationale": {"text": f"why {row['position']}", "emotion": row["emotion"], "annotator": "rationale"},
        }
        for row in rows
    ]
    run: RunFolder = finished_run(folder, labels)
    review = ReviewFolder(run)
    review.append_decided(pa.Table.from_pylist(rows, schema=ROUTES))
    return review
