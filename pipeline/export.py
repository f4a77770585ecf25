"""Exporting machine labels as a data set in EMO-Emilia's form."""

import io
import json
import os
import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import soundfile as sf

from manifests.audio_uri import AudioUri
from manifests.emotions import CLASSES
from manifests.errors import InputError, StorageError
from manifests.release import COLUMNS, RELEASE_VERSION, release_row, write_jsonl, write_parquet
from manifests.run_folder import RunFolder
from pipeline.decode import SAMPLE_RATE_HZ, decode_row
from pipeline.duplicates import present_duplicates

Listener = Callable[[int, int], None]
"""Called with the number of clips written and the number in all."""

NOTICE = "These labels were given by machines. No expert has verified them."


@dataclass(slots=True)
class Export:
    """What was written."""

    out: str
    clips: int = 0
    counts: dict[str, dict[str, int]] = field(default_factory=dict)  # language → emotion → clips
    short: dict[str, dict[str, int]] = field(default_factory=dict)  # language → emotion → clips missing to per_class
    notice: str = NOTICE

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def export(
    run: RunFolder,
    out: Path,
    *,
    per_class: int | None = None,
    languages: Sequence[str] | None = None,
    table_format: str = "jsonl",
    listener: Listener = lambda done, total: None,
) -> Export:
    """Write ``out/``: the table, ``wav/`` (16 kHz mono PCM16), ``provenance.jsonl``, ``README.md`` and ``export.json``.

    The clips with the highest consensus come first, ties by id. A clip whose id an earlier shard has used does not count.

    Parameters
    ----------
    per_class : at most so many for each language and emotion; None takes all
    languages : only these

    Raises
    ------
    StorageError : ``out`` is there already, or cannot be written
    InputError : nothing to export, or the audio of a clip is gone
    """
    record = run.require()
    if out.exists():
        raise StorageError(f"{out} exists already; an export goes into a new folder")
    aside = out.absolute().with_name(f".{out.name}.tmp-{uuid.uuid4().hex[:8]}")
    try:
        (aside / "wav").mkdir(parents=True)
        found = _write(run, record, aside, out, per_class, languages, table_format, listener)
        os.sync()
        aside.rename(out.absolute())
    except OSError as error:
        raise StorageError(f"Could not write {out}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return found


def _write(
    run: RunFolder,
    record: dict[str, Any],
    aside: Path,
    out: Path,
    per_class: int | None,
    languages: Sequence[str] | None,
    table_format: str,
    listener: Listener,
) -> Export:
    found = Export(str(out))
    counts: Counter[tuple[str, str]] = Counter()
    with (
        (aside / "provenance.jsonl").open("w", encoding="utf-8") as provenance,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        for total, batch in _chosen(run, per_class, languages):
            # The same decoder as the job's, so that the WAV is what the annotators heard.
            for row, _ in zip(batch, pool.map(lambda r: _write_wav(aside, r), batch), strict=True):
                counts[row["language"] or "?", row["consensus"]["emotion"]] += 1
                listener(counts.total(), total)
                provenance.write(json.dumps(_provenance(row, record), ensure_ascii=False, allow_nan=False) + "\n")
    found.clips = sum(counts.values())
    if not found.clips:
        raise InputError(f"{run} has no labelled clip to export" + (f" in {', '.join(languages)}" if languages else ""))
    for (language, emotion), count in sorted(counts.items()):
        found.counts.setdefault(language, {})[emotion] = count
    if per_class is not None:
        for language, by_emotion in found.counts.items():
            short = {str(e): per_class - by_emotion.get(e, 0) for e in CLASSES if by_emotion.get(e, 0) < per_class}
            if short:
                found.short[language] = short
    with (aside / "provenance.jsonl").open(encoding="utf-8") as lines:
        rows = (release_row(r["index"], r["emotion"], r["text"]) for r in map(json.loads, lines))
        if table_format == "parquet":
            write_parquet(aside / "dataset.parquet", rows)
        else:
            write_jsonl(aside / "dataset.jsonl", rows)
    (aside / "README.md").write_text(_readme(found, record, table_format), "utf-8")
    summary = {
        "release_version": RELEASE_VERSION,
        "emotrove": version("emotrove"),
        "run": str(run),
        "input": record["input"],
        "annotators": record["annotators"],
        "per_class": per_class,
        "languages": languages,
        **found.to_json(),
    }
    (aside / "export.json").write_text(json.dumps(summary, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return found


def _chosen(
    run: RunFolder, per_class: int | None, languages: Sequence[str] | None
) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Batches of chosen rows, each with the number of all that are chosen."""
    with duckdb.connect() as db:
        db.register("labels", run.dataset(["labeled"]))
        db.register("duplicates", present_duplicates(run))
        cursor = db.execute(
            """
            WITH ranked AS (
                SELECT utterance_id, shard, position, row_number() OVER (
                    PARTITION BY language, consensus.emotion ORDER BY consensus.confidence DESC, utterance_id) AS nth
                FROM labels ANTI JOIN duplicates USING (shard, position)
                WHERE consensus.emotion IS NOT NULL AND ($languages IS NULL OR list_contains($languages, language))
            )
            SELECT count(*) OVER () AS total, labels.* FROM labels JOIN ranked USING (shard, position)
            WHERE $per_class IS NULL OR nth <= $per_class
            ORDER BY language, consensus.emotion, nth
            """,
            {"languages": list(languages) if languages is not None else None, "per_class": per_class},
        )
        names = [column[0] for column in cursor.description or ()]
        while rows := cursor.fetchmany(64):
            yield rows[0][0], [dict(zip(names[1:], row[1:], strict=True)) for row in rows]


def _write_wav(aside: Path, row: dict[str, Any]) -> None:
    heard = {"outcome": "pending", "audio_uri": row["audio_uri"], "audio": AudioUri.parse(row["audio_uri"]).read()}
    decode_row(heard, 0.0, float("inf"))
    if heard["audio_sha256"] != row["audio_sha256"]:
        raise InputError(
            f"{row['audio_uri']} is not the audio that was labelled as {row['utterance_id']}: the shard has changed"
        )
    buffer = io.BytesIO()
    with sf.SoundFile(buffer, "w", SAMPLE_RATE_HZ, 1, "PCM_16", format="WAV") as file:
        file.buffer_write(heard["audio"], "int16")
    (aside / "wav" / f"{row['utterance_id']}.wav").write_bytes(buffer.getvalue())


def _provenance(row: dict[str, Any], record: dict[str, Any]) -> dict[str, Any]:
    """Where a row comes from: the audio, every vote, every measure, and what made them."""
    return {
        "index": row["utterance_id"],
        "emotion": row["consensus"]["emotion"],
        "text": row["text"] or (row["transcript"] or {}).get("text"),
        "verified": False,
        **{
            name: row[name]
            for name in ("language", "speaker", "source_id", "license", "duration_s", "shard", "position")
        },
        **{name: row[name] for name in ("audio_uri", "audio_sha256", "consensus", "votes", "quality", "style")},
        "transcript": row["transcript"],
        "rationale": row["rationale"],
        "annotators": record["annotators"],
        "emotrove": record["emotrove"],
    }


def _readme(found: Export, record: dict[str, Any], table_format: str) -> str:
    lines = [
        "# Machine-labelled emotion data",
        "",
        f"**{NOTICE}** Treat them as candidates, not as truth.",
        "",
        f"- `dataset.{table_format}`: {found.clips} rows with `{', '.join(COLUMNS)}`, the form of EMO-Emilia",
        "- `wav/`: the audio, 16 kHz mono 16-bit, as the annotators heard it",
        "- `provenance.jsonl`: for each row where the audio is from, every vote with its scores, the measures, the rationale",
        "- `export.json`: what this export was made with",
        "",
        "The licence of the audio is that of the input; emotrove adds none.",
        "",
        f"Annotators: {', '.join(f'{name} {v}' for name, v in record['annotators'].items())}. emotrove {record['emotrove']}.",
        "",
        "| language | " + " | ".join(CLASSES) + " |",
        "|---|" + "---:|" * len(CLASSES),
    ]
    for language, by_emotion in found.counts.items():
        lines.append(f"| {language} | " + " | ".join(str(by_emotion.get(e, 0)) for e in CLASSES) + " |")
    for language, short in found.short.items():
        missing = ", ".join(f"{emotion} {count}" for emotion, count in short.items())
        lines += ["", f"Short of the number asked for in {language}: {missing}. Nothing was filled up."]
    return "\n".join(lines) + "\n"
