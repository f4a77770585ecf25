"""The tables of a release."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests.release import release_row, write_jsonl
from manifests.splits import Splits
from pipeline.release.people import detailed_rows

DETAILED = "labels_detailed.jsonl"


def write_tables(folder: Path, name: str, clips: pa.Table, splits: Splits | None) -> dict[str, str]:
    """Write the table whole, by split where it is split, and once more for whom opens ``wav/`` as a folder of audio.

    Parameters
    ----------
    clips : as chosen (``pipeline.release.choice``), in the order of the release

    Returns
    -------
    file by split; empty where there is none
    """
    _write_table(folder / f"{name}.jsonl", clips)
    files = {}
    if splits:
        split = splits.table["split"].take(pc.index_in(clips["utterance_id"], splits.table["utterance_id"]))
        clips = clips.append_column("split", split)
        for part, size in splits.report.splits.items():
            if size.got:  # a file without rows cannot be loaded
                files[part] = f"{name}.{part}.jsonl"
                _write_table(folder / files[part], clips.filter(pc.equal(split, part)))
    # ``load_dataset("audiofolder", data_dir="wav")`` finds the labels here.
    columns = ("emotion", "text", "language", *(("split",) if splits else ()))
    write_jsonl(
        folder / "wav" / "metadata.jsonl",
        (
            {
                "file_name": f"{clip['utterance_id']}.wav",
                "index": clip["utterance_id"],
                **{column: clip[column] or "" for column in columns},
            }
            for clip in _rows(clips)
        ),
    )
    return files


def write_detailed(folder: Path, clips: pa.Table, answers: pa.ChunkedArray, names: Mapping[str, str]) -> None:
    """Write ``labels_detailed.jsonl``.

    Parameters
    ----------
    answers : lists of ANSWER, one for each clip
    names : pseudonym by person
    """
    write_jsonl(folder / DETAILED, detailed_rows(_rows(clips.append_column("answers", answers)), names))


def write_json(path: Path, record: dict[str, Any]) -> None:
    """For people to read, too."""
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")


def _write_table(path: Path, clips: pa.Table) -> None:
    write_jsonl(path, (release_row(clip["utterance_id"], clip["emotion"], clip["text"]) for clip in _rows(clips)))


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """Rows as dicts, of which only a few are in memory at a time."""
    for batch in table.to_batches(max_chunksize=1024):
        yield from batch.to_pylist()
