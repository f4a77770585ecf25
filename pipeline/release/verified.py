"""Releasing what experts have verified, in EMO-Emilia's form, with all that a reader needs to trust it."""

import json
import re
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests.answers import judged
from manifests.card import data_card
from manifests.croissant import croissant
from manifests.curation import curate
from manifests.errors import ConfigError, RunFolderError
from manifests.groups import KEYS, Key
from manifests.release import RELEASE_VERSION
from manifests.review_folder import ReviewFolder
from manifests.run_folder import RunFolder
from manifests.splits import assign, parse_ratios
from pipeline.release.about import About
from pipeline.release.audio import Listener, write_wavs
from pipeline.release.choice import choose, whole_rows
from pipeline.release.figures import agreement_rows, card_contents, figures, split_figures
from pipeline.release.folder import new_folder, write_checksums
from pipeline.release.kept_out import kept_out
from pipeline.release.licences import check_licenses
from pipeline.release.people import pseudonyms
from pipeline.release.provenance import provenance
from pipeline.release.tables import write_detailed, write_json, write_tables

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
    split_by: Collection[Key] = KEYS
    allow_mixed_licenses: bool = False
    seed: int = 0
    about: About = field(default_factory=About)

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
    routes, curated, tasks = review.in_review(), review.curated(), review.tasks()
    given = judged(routes, tasks, review.ledger())
    if not curated.equals(curate(routes, given)):
        raise RunFolderError(
            f"{run} has other answers or clips than when it was curated. Do it again: emotrove curate {run}"
        )
    lists = kept_out(run, wanted.exclude, wanted.takedown)
    choice = choose(
        run,
        curated,
        routes,
        per_class=wanted.per_class,
        languages=wanted.languages,
        lists=lists,
        seed=wanted.seed,
    )
    clips = choice.clips
    stated = [license or wanted.about.license for license in clips["license"].to_pylist()]
    licenses = check_licenses(stated, wanted.allow_mixed_licenses)
    about = wanted.about.publication(wanted.name, licenses, dict.fromkeys(clips["language"].to_pylist()))
    splits = assign(clips, ratios, wanted.seed, by=wanted.split_by) if ratios else None
    answers = curated["answers"].take(pc.index_in(clips["utterance_id"], curated["utterance_id"]))
    names = pseudonyms(answers, wanted.seed)
    agreement = agreement_rows(given)
    release = {
        "release_version": RELEASE_VERSION,
        "name": wanted.name,
        "version": about.version,
        "emotrove": version("emotrove"),
        **figures(clips, curated, tasks, wanted.per_class, wanted.languages),
        "licenses": licenses,
        "people": len(names),
        "agreement": [asdict(row) for row in agreement],
        **(split_figures(splits) if splits else {}),
        "removed": choice.removed,
        "languages": list(wanted.languages) if wanted.languages else None,
        "seed": wanted.seed,
        "input": record["input"],
        "annotators": record["annotators"],
    }
    with new_folder(out) as folder:
        _write_audio(folder, run, record, clips, wanted.about.license, listener)
        files = write_tables(folder, wanted.name, clips, splits)
        write_detailed(folder, clips, answers, names)
        if splits:
            write_json(folder / "splits.json", splits.report.to_json())
        card = data_card(about, card_contents(release, files, splits, agreement))
        (folder / "README.md").write_text(card, "utf-8")
        write_json(folder / "croissant.json", croissant(about, folder, {"clips": f"{wanted.name}.jsonl", **files}))
        write_json(folder / "release.json", release)
        write_checksums(folder)
    return release


def _write_audio(
    folder: Path, run: RunFolder, record: dict[str, Any], clips: pa.Table, license: str | None, listener: Listener
) -> None:
    """``wav/`` and ``provenance.jsonl``. ``license`` is that of clips whose input states none."""
    with (folder / "provenance.jsonl").open("w", encoding="utf-8", newline="\n") as lines:
        for row in write_wavs(folder, whole_rows(run, clips), listener):
            if not (row["license"] or "").strip():
                row["license"] = license
            label = {"verified": True, **{key: row["label"][key] for key in ("emotion", "status", "arm", "policy")}}
            # The shard and the place in it; where the shard lay is of no use to others, and may name people.
            audio = {"audio": row["audio_uri"].rsplit("/", 1)[-1]}
            line = provenance(row, record, audio, label)
            lines.write(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n")
