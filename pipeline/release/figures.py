"""The figures of a release, as ``release.json`` and the data card give them."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests.card import Agreement, Contents
from manifests.review import EXPERT_SLOTS, STATUSES
from manifests.splits import Splits
from pipeline.release.tables import DETAILED
from pipeline.release.tally import nested, shortfall
from review_ui.agreement import parts
from review_ui.agreement.figures import Resampling
from review_ui.agreement.pairs import Pairs
from review_ui.agreement.report import COEFFICIENTS, Coefficient, Coefficients

_RESAMPLES = 1000  # behind each interval, as in ``emotrove review agree``

_SLICES = {
    "all": "all clips",
    "control": "clips that chance chose (control)",
    "selected": "clips that a model chose",
    "machine_hidden": "clips whose machine label was hidden",
    "machine_shown": "clips whose machine label was shown",
    "machine_mixed": "clips whose machine label one expert saw",
}


def figures(
    clips: pa.Table, curated: pa.Table, tasks: pa.Table, per_class: int | None, languages: tuple[str, ...] | None
) -> dict[str, Any]:
    """What the release holds, and what it was drawn from.

    Parameters
    ----------
    clips : the chosen ones (``pipeline.release.choice``)
    curated : CURATED, all clips
    tasks : TASKS
    languages : those asked for; None for all that were reviewed
    """
    counts = nested(Counter(zip(clips["language"].to_pylist(), clips["emotion"].to_pylist(), strict=True)))
    reviewed = curated.filter(pc.not_equal(pc.fill_null(curated["arm"], ""), "gold"))
    if languages is None:
        languages = tuple(sorted({language or "?" for language in reviewed["language"].to_pylist()}))
    statuses = Counter(reviewed["status"].to_pylist())
    shown = tasks.filter(
        pc.and_(tasks["show_machine"], pc.is_in(tasks["slot"], pa.array(EXPERT_SLOTS)))
    )  # an adjudicator has both answers before them anyway
    durations = clips["duration_s"].to_pylist()
    return {
        "clips": clips.num_rows,
        "duration_s": {
            "total": round(math.fsum(durations), 3),
            "mean": round(math.fsum(durations) / clips.num_rows, 3),
            "min": round(min(durations), 3),
            "max": round(max(durations), 3),
        },
        "counts": counts,
        "per_class": per_class,
        "short": shortfall(counts, per_class, languages),
        "statuses": _counts(clips, "status"),
        "arms": _counts(clips, "arm"),
        "sources": _distinct(clips, "source_id"),
        "speakers": _distinct(clips, "speaker"),
        "machine_shown": pc.sum(pc.is_in(clips["utterance_id"], shown["utterance_id"])).as_py(),
        # All clips that went to the experts, but gold.
        "reviewed": {status: statuses[status] for status in STATUSES},
    }


def agreement_rows(answers: pa.Table) -> list[Agreement]:
    """Of the clips that both experts answered, escapes being answers like any other: whole, by slice, emotion and language.

    Parameters
    ----------
    answers : JUDGED
    """
    pairs, resampling = Pairs.of(answers), Resampling(_RESAMPLES, seed=0)
    slices = list(parts.slices(pairs, resampling))
    rows = [row for one in slices if one.answers.n for row in _of(_SLICES[one.name], one.answers, tuple(COEFFICIENTS))]
    for emotion in slices[0].classes:
        if emotion.either:
            rows += _of(f"{emotion.name} against the rest", emotion.figures, ("alpha",))
    for spoken in parts.languages(pairs, resampling):
        rows += _of(spoken.language or "?", spoken.answers, ("alpha",))
    return rows


def _of(part: str, found: Coefficients, measures: tuple[Coefficient, ...]) -> Iterator[Agreement]:
    for measure in measures:
        figure = getattr(found, measure)
        yield Agreement(part, COEFFICIENTS[measure], found.n, found.n_sources, figure.value, figure.low, figure.high)


def card_contents(
    release: Mapping[str, Any], files: Mapping[str, str], splits: Splits | None, agreement: list[Agreement]
) -> Contents:
    """What the data card needs.

    Parameters
    ----------
    release : the content of ``release.json``
    files : table by split
    """
    whole = {"train": f"{release['name']}.jsonl"}
    report = splits.report if splits else None
    return Contents(
        data_files={"default": files or whole, **({"all": whole} if files else {}), "detailed": {"train": DETAILED}},
        counts=release["counts"],
        duration_s=release["duration_s"],
        statuses=release["statuses"],
        reviewed=release["reviewed"],
        arms=release["arms"],
        sources=release["sources"],
        people=release["people"],
        agreement=agreement,
        per_class=release["per_class"],
        short=release["short"],
        splits={name: size.got for name, size in report.splits.items()} if report else {},
        split_by=report.by if report else (),
        warnings=report.warnings if report else (),
        machine_shown=release["machine_shown"],
    )


def split_figures(splits: Splits) -> dict[str, Any]:
    """For ``release.json``; the whole report is in ``splits.json``."""
    report = splits.report
    return {
        "splits": {name: asdict(size) for name, size in report.splits.items()},
        "split_by": list(report.by),
        "split_warnings": report.warnings,
    }


def _counts(table: pa.Table, name: str) -> dict[str, int]:
    return dict(sorted(Counter(table[name].to_pylist()).items()))


def _distinct(table: pa.Table, name: str) -> int:
    return int(pc.count_distinct(table[name], mode="only_valid").as_py())
