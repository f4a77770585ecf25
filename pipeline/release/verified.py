"""Releasing what experts have verified, in EMO-Emilia's form, with all that a reader needs to trust it."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests.answers import judged_answers
from manifests.curation import curate
from manifests.errors import ConfigError, RunFolderError
from manifests.release import RELEASE_VERSION, release_row, write_jsonl
from manifests.review import STATUSES
from manifests.review_folder import ReviewFolder
from manifests.run_folder import RunFolder
from manifests.splits import Splits, assign, parse_ratios
from pipeline.release.audio import Listener, write_wavs
from pipeline.release.choice import Choice, choose, whole_rows
from pipeline.release.folder import new_folder, write_checksums
from pipeline.release.kept_out import kept_out
from pipeline.release.licences import check_licenses
from pipeline.release.people import detailed_rows, pseudonyms
from pipeline.release.provenance import provenance
from pipeline.release.tally import nested, shortfall

Release = dict[str, Any]
"""The content of ``release.json``: what a release holds and what it was made with."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_TAKEN_NAMES = ("labels_detailed", "provenance")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to release. ``name`` is that of the data set and of its table."""

    name: str
    per_class: int | None = None  # at most so many for each language and emotion; None takes all
    languages: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()  # files of ids and sources
    takedown: tuple[str, ...] = ()
    split: str | None = None  # train/validation/test, e.g. 80/10/10
    allow_mixed_licenses: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name) or self.name in _TAKEN_NAMES:
            raise ConfigError(
                f"A release cannot be called '{self.name}': its name names its files, so give letters, digits, dots, - "
                f"and _ (and neither {' nor '.join(_TAKEN_NAMES)}) with --name"
            )


def release_verified(
    run: RunFolder, out: Path, wanted: Wanted, listener: Listener = lambda done, total: None
) -> Release:
    """Write the release into ``out/``; the same run and wishes give the same bytes. See ``docs/release.md`` for its files.

    Raises
    ------
    RunFolderError : nothing was curated, or answers have come in since
    InputError : nothing to release, audio that is gone or has changed, or a list that cannot be read
    MixedLicenses : not all clips are under one known licence, and this was not allowed
    SplitError : the split asked for is none
    StorageError : ``out`` is there already, or cannot be written
    """
    ratios = parse_ratios(wanted.split) if wanted.split else None
    record = run.require()
    review = ReviewFolder(run)
    routes, curated = review.in_review(), review.curated()
    if not curated.equals(curate(routes, judged_answers(review))):
        raise RunFolderError(f"{run} has other answers than when it was curated. Do it again: emotrove curate {run}")
    choice = choose(
        run,
        curated,
        routes,
        per_class=wanted.per_class,
        languages=wanted.languages,
        lists=kept_out(run, wanted.exclude, wanted.takedown),
        seed=wanted.seed,
    )
    licenses = check_licenses(choice.clips["license"].to_pylist(), wanted.allow_mixed_licenses)
    splits = assign(choice.clips, ratios, wanted.seed) if ratios else None
    answers = _answers(curated, choice)
    names = pseudonyms(answers, wanted.seed)
    release = {**_describe(wanted, record, curated, choice), "licenses": licenses, "people": len(names)}
    if splits:
        release["splits"] = {name: asdict(size) for name, size in splits.report.splits.items()}
        release["split_warnings"] = splits.report.warnings
    with new_folder(out) as folder:
        with (folder / "provenance.jsonl").open("w", encoding="utf-8", newline="\n") as lines:
            for row in write_wavs(folder, whole_rows(run, choice.clips), listener):
                lines.write(_provenance_line(row, record))
        _write_tables(folder, wanted.name, choice.clips, splits)
        detailed = detailed_rows(_rows(choice.clips.append_column("answers", answers)), names)
        write_jsonl(folder / "labels_detailed.jsonl", detailed)
        if splits:
            _write_json(folder / "splits.json", splits.report.to_json())
        _write_json(folder / "release.json", release)
        write_checksums(folder)
    return release


def _describe(wanted: Wanted, record: dict[str, Any], curated: pa.Table, choice: Choice) -> Release:
    clips = choice.clips
    counts = nested(Counter(zip(clips["language"].to_pylist(), clips["emotion"].to_pylist(), strict=True)))
    reviewed = curated.filter(pc.not_equal(pc.fill_null(curated["arm"], ""), "gold"))
    languages = wanted.languages or sorted({language or "?" for language in reviewed["language"].to_pylist()})
    statuses = Counter(reviewed["status"].to_pylist())
    durations = clips["duration_s"].to_pylist()
    return {
        "release_version": RELEASE_VERSION,
        "name": wanted.name,
        "emotrove": version("emotrove"),
        "clips": clips.num_rows,
        "duration_s": {
            "total": round(math.fsum(durations), 3),
            "mean": round(math.fsum(durations) / clips.num_rows, 3),
            "min": round(min(durations), 3),
            "max": round(max(durations), 3),
        },
        "counts": counts,
        "per_class": wanted.per_class,
        "short": shortfall(counts, wanted.per_class, languages),
        "statuses": _counts(clips, "status"),
        "arms": _counts(clips, "arm"),
        "sources": _distinct(clips, "source_id"),
        "speakers": _distinct(clips, "speaker"),
        "removed": choice.removed,
        "reviewed": {status: statuses[status] for status in STATUSES},  # all clips that went to the experts, but gold
        "languages": list(wanted.languages) if wanted.languages else None,
        "seed": wanted.seed,
        "input": record["input"],
        "annotators": record["annotators"],
    }


def _counts(table: pa.Table, name: str) -> dict[str, int]:
    return dict(sorted(Counter(table[name].to_pylist()).items()))


def _distinct(table: pa.Table, name: str) -> int:
    return int(pc.count_distinct(table[name], mode="only_valid").as_py())


def _provenance_line(row: dict[str, Any], record: dict[str, Any]) -> str:
    label = {"verified": True, **{name: row["label"][name] for name in ("emotion", "status", "arm", "policy")}}
    # The name of the shard and the place in it; where the shard lay is of no use to others, and may name people.
    audio = {"audio": row["audio_uri"].rsplit("/", 1)[-1]}
    return json.dumps(provenance(row, record, audio, label), ensure_ascii=False, allow_nan=False) + "\n"


def _answers(curated: pa.Table, choice: Choice) -> pa.ChunkedArray:
    """Every answer to each of the chosen clips: lists of ANSWER, in the order of the release."""
    return curated["answers"].take(pc.index_in(choice.clips["utterance_id"], curated["utterance_id"]))


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """Rows as dicts, of which only a few are in memory at a time."""
    for batch in table.to_batches(max_chunksize=1024):
        yield from batch.to_pylist()


def _write_tables(folder: Path, name: str, clips: pa.Table, splits: Splits | None) -> None:
    """The table whole, and by split where it is split; and the same for whom opens ``wav/`` as a folder of audio."""
    _write_table(folder / f"{name}.jsonl", clips)
    if splits:
        split = splits.table["split"].take(pc.index_in(clips["utterance_id"], splits.table["utterance_id"]))
        clips = clips.append_column("split", split)
        for part, size in splits.report.splits.items():
            if size.got:  # a file without rows cannot be loaded
                _write_table(folder / f"{name}.{part}.jsonl", clips.filter(pc.equal(split, part)))
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


def _write_table(path: Path, clips: pa.Table) -> None:
    write_jsonl(path, (release_row(clip["utterance_id"], clip["emotion"], clip["text"]) for clip in _rows(clips)))


def _write_json(path: Path, record: dict[str, Any]) -> None:
    path.write_text(json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
