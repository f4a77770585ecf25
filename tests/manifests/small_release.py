"""A small release with its audio, as an export leaves it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from manifests.card import Agreement, Contents, data_card
from manifests.croissant import croissant
from manifests.publication import Publication
from manifests.release import release_row, write_jsonl

TEXTS = ["He said:\n\"yes\" | 'no'.", "你好，世界", "", "<b>&amp;</b> *ä*"]
SPLITS = ("train", "validation", "test")


def about(**changes: Any) -> Publication:
    said: dict[str, Any] = {
        "name": "emo-v1",
        "title": "Emo v1",
        "description": "Verified emotions in speech.",
        "licenses": {"CC BY-NC 4.0": 12},
        "languages": ("en", "zh"),
        "published": "2026-03-01",
        "creators": ("A Lab",),
        "citation": "@misc{emo, title = {Emo v1}}",
        "url": "https://example.org/emo",
    }
    return Publication(**{**said, **changes})


def contents(**changes: Any) -> Contents:
    said: dict[str, Any] = {
        "data_files": {
            "default": {split: f"emo-v1.{split}.jsonl" for split in SPLITS},
            "detailed": {"train": "labels_detailed.jsonl"},
        },
        "counts": {"en": {"sad": 5, "happy": 1}, "zh": {"sad": 6}},
        "duration_s": {"total": 7200.0, "mean": 4.25, "min": 0.5, "max": 29.96},
        "statuses": {"verified": 9, "adjudicated": 3},
        "reviewed": {"verified": 30, "adjudicated": 8, "no_agreement": 4, "unusable": 2, "pending": 1},
        "arms": {"selected": 9, "control": 3},
        "sources": 11,
        "people": 3,
        "agreement": [
            Agreement("control slice", "Krippendorff's α", 1234, 56, 0.61234, 0.5, 0.7),
            Agreement("zh", "Cohen's κ", 1, 1, None, None, None),
        ],
        "per_class": 6,
        "short": {"en": {"sad": 1, "happy": 5}},
        "splits": {"train": 6, "validation": 3, "test": 3},
    }
    return Contents(**{**said, **changes})


def write_release(folder: Path) -> list[dict[str, str]]:
    """Twelve clips with their audio, tables, card and Croissant metadata; returns the rows."""
    (folder / "wav").mkdir(parents=True)
    rows = []
    for n in range(12):
        name = f"EN_B00000_S{n:05d}_W000000"
        sf.write(folder / "wav" / f"{name}.wav", np.zeros(1600, np.float32), 16_000, subtype="PCM_16")
        rows.append(release_row(name, "sad" if n % 2 else "happy", TEXTS[n % len(TEXTS)]))
    write_jsonl(folder / "emo-v1.jsonl", rows)
    for part, members in zip(SPLITS, (rows[:6], rows[6:9], rows[9:]), strict=True):
        write_jsonl(folder / f"emo-v1.{part}.jsonl", members)
    write_jsonl(
        folder / "labels_detailed.jsonl", ({"index": row["index"], "answers": [{"answer": "sad"}]} for row in rows)
    )
    (folder / "README.md").write_text(data_card(about(), contents()), "utf-8")
    tables = {"clips": "emo-v1.jsonl", **{part: f"emo-v1.{part}.jsonl" for part in SPLITS}}
    metadata = croissant(about(), folder, tables)
    (folder / "croissant.json").write_text(json.dumps(metadata, ensure_ascii=False, indent=2), "utf-8")
    return rows
