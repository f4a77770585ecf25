"""Exporting machine labels as a data set in EMO-Emilia's form."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb

from manifests.duplicates import present_duplicates
from manifests.emotions import CLASSES
from manifests.errors import InputError
from manifests.exclusion import Exclusion
from manifests.release import COLUMNS, RELEASE_VERSION, release_row, write_jsonl, write_parquet
from manifests.run_folder import RunFolder
from pipeline.release.audio import AT_ONCE, Listener, write_wavs
from pipeline.release.folder import new_folder
from pipeline.release.kept_out import kept_out, kept_out_sql
from pipeline.release.provenance import provenance
from pipeline.release.tally import Counts, nested, shortfall

NOTICE = "These labels were given by machines. No expert has verified them."


@dataclass(slots=True)
class Export:
    """What was written."""

    out: str
    clips: int = 0
    counts: Counts = field(default_factory=dict)
    short: Counts = field(default_factory=dict)  # clips missing to per_class
    removed: dict[str, int] = field(default_factory=dict)  # clips that a list keeps out: taken_down, excluded
    notice: str = NOTICE

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def export(
    run: RunFolder,
    out: Path,
    *,
    per_class: int | None = None,
    languages: Sequence[str] | None = None,
    exclude: Sequence[str] = (),
    takedown: Sequence[str] = (),
    table_format: str = "jsonl",
    listener: Listener = lambda done, total: None,
) -> Export:
    """Write ``out/``: the table, ``wav/`` (16 kHz mono PCM16), ``provenance.jsonl``, ``README.md`` and ``export.json``.

    The clips with the highest consensus come first, ties by id. A clip whose id an earlier shard has used does not count.

    Parameters
    ----------
    per_class : at most so many for each language and emotion; None takes all
    languages : only these
    exclude, takedown : files of ids and sources to keep out; the run's own ``takedown.txt`` holds too

    Raises
    ------
    StorageError : ``out`` is there already, or cannot be written
    InputError : nothing to export, or the audio of a clip is gone, or a list cannot be read
    """
    record = run.require()
    lists = kept_out(run, exclude, takedown)
    with new_folder(out) as aside:
        return _write(run, record, aside, out, per_class, languages, lists, table_format, listener)


def _write(
    run: RunFolder,
    record: dict[str, Any],
    aside: Path,
    out: Path,
    per_class: int | None,
    languages: Sequence[str] | None,
    lists: Mapping[str, Exclusion],
    table_format: str,
    listener: Listener,
) -> Export:
    found = Export(str(out))
    counts: Counter[tuple[str, str]] = Counter()
    with (aside / "provenance.jsonl").open("w", encoding="utf-8") as lines, duckdb.connect() as db:
        found.removed = _choose(db, run, per_class, languages, lists)
        for row in write_wavs(aside, _batches(db), listener):
            emotion = row["consensus"]["emotion"]
            counts[row["language"] or "?", emotion] += 1
            label = {"emotion": emotion, "verified": False}
            line = provenance(row, record, {"audio_uri": row["audio_uri"]}, label)
            lines.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
    found.clips = sum(counts.values())
    if not found.clips:
        raise InputError(f"{run} has no labelled clip to export" + (f" in {', '.join(languages)}" if languages else ""))
    found.counts = nested(counts)
    found.short = shortfall(found.counts, per_class, found.counts)
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


def _choose(
    db: duckdb.DuckDBPyConnection,
    run: RunFolder,
    per_class: int | None,
    languages: Sequence[str] | None,
    lists: Mapping[str, Exclusion],
) -> dict[str, int]:
    """Make the table ``chosen``: shard, position and rank. Gives how many clips each list has kept out."""
    db.register("labels", run.dataset(["labeled"]))
    db.register("duplicates", present_duplicates(run))
    db.execute(
        f"""
        CREATE TEMP TABLE candidates AS
        SELECT utterance_id, shard, position, language, consensus.emotion AS emotion, consensus.confidence AS confidence,
            {kept_out_sql(db, lists)} AS out
        FROM labels ANTI JOIN duplicates USING (shard, position)
        WHERE consensus.emotion IS NOT NULL AND ($languages IS NULL OR list_contains($languages, language))
        """,
        {"languages": None if languages is None else list(languages)},
    )
    db.execute(
        """
        CREATE TEMP TABLE chosen AS
        SELECT shard, position, row_number() OVER (
            PARTITION BY language, emotion ORDER BY confidence DESC, utterance_id) AS nth
        FROM candidates WHERE out IS NULL
        QUALIFY $per_class IS NULL OR nth <= $per_class
        """,
        {"per_class": per_class},
    )
    counted = dict(db.execute("SELECT out, count(*) FROM candidates WHERE out IS NOT NULL GROUP BY out").fetchall())
    return {why: counted.get(why, 0) for why in lists}


def _batches(db: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """The chosen rows, whole."""
    cursor = db.execute(
        """
        SELECT count(*) OVER () AS total, labels.* FROM labels JOIN chosen USING (shard, position)
        ORDER BY language, consensus.emotion, nth
        """
    )
    names = [column[0] for column in cursor.description or ()]
    while rows := cursor.fetchmany(AT_ONCE):
        yield rows[0][0], [dict(zip(names[1:], row[1:], strict=True)) for row in rows]


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
    if any(found.removed.values()):
        removed = ", ".join(f"{count} {why.replace('_', ' ')}" for why, count in found.removed.items() if count)
        lines += ["", f"Clips that a list keeps out: {removed}."]
    return "\n".join(lines) + "\n"
