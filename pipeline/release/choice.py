"""Which verified clips go into a release."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from manifests.errors import InputError
from manifests.exclusion import Exclusion
from manifests.run_folder import RunFolder
from pipeline.release.audio import AT_ONCE
from pipeline.release.kept_out import kept_out_sql

_CANDIDATES = """
CREATE TEMP TABLE candidates AS
SELECT utterance_id, status, curated.emotion, curated.arm, curated.policy, coalesce(language, '?') AS language,
    routes.shard, routes.position, routes.audio_uri, routes.audio_sha256,
    {kept_out} AS kept_out
FROM curated JOIN routes USING (utterance_id)
WHERE status IN ('verified', 'adjudicated') AND curated.arm IS DISTINCT FROM 'gold'
    AND ($languages IS NULL OR list_contains($languages, coalesce(language, '?')))
"""

# Not the surest of the machine first: a set of what a machine finds easy measures machines wrongly.
_CHOSEN = """
CREATE TEMP TABLE chosen AS
SELECT * FROM candidates WHERE kept_out IS NULL
QUALIFY $per_class IS NULL OR row_number() OVER (
    PARTITION BY language, emotion
    ORDER BY status = 'verified' DESC, md5($seed || ':' || utterance_id), utterance_id) <= $per_class
"""

_LABELLED = """
SELECT chosen.*, labels.speaker, labels.source_id, nullif(trim(labels.license), '') AS license, labels.duration_s,
    coalesce(nullif(labels.text, ''), labels.transcript.text) AS text,
    labels.utterance_id IS NOT NULL AS labelled, labels.audio_sha256 AS labelled_sha256
FROM chosen LEFT JOIN labels USING (utterance_id, shard, position)
ORDER BY language, emotion, utterance_id
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """The chosen clips, in the order of the release, and what was kept out."""

    clips: pa.Table
    """utterance_id, status, emotion, arm, policy, language (``?`` where unknown), shard, position, audio_uri, audio_sha256,
    speaker, source_id, license (null where unknown), duration_s, text"""
    removed: dict[str, int]
    """Verified clips that a list keeps out: taken_down, excluded."""


def choose(
    run: RunFolder,
    curated: pa.Table,
    routes: pa.Table,
    *,
    per_class: int | None,
    languages: Sequence[str] | None,
    lists: Mapping[str, Exclusion],
    seed: int,
) -> Choice:
    """Choose at most ``per_class`` verified clips of each language and emotion.

    What two experts agreed on comes before what a third settled; among equals a hash of seed and id decides. Gold items are
    never taken, because their answers were known to the makers of the review; clips that chance chose for control are.

    Parameters
    ----------
    curated : CURATED
    routes : ROUTES of the same clips

    Raises
    ------
    InputError : nothing is left, or a chosen clip is no longer labelled, or with other audio than the experts heard
    """
    with duckdb.connect() as db:
        db.register("curated", curated.drop_columns(["answers"]))
        db.register("routes", routes.select(["utterance_id", "shard", "position", "audio_uri", "audio_sha256"]))
        wanted = None if languages is None else list(languages)
        db.execute(_CANDIDATES.format(kept_out=kept_out_sql(db, lists)), {"languages": wanted})
        db.execute(_CHOSEN, {"per_class": per_class, "seed": str(seed)})
        counted = dict(db.sql("SELECT kept_out, count(*) FROM candidates GROUP BY kept_out").fetchall())
        db.register(
            "labels", run.labeled_of([row[0] for row in db.sql("SELECT DISTINCT shard FROM chosen").fetchall()])
        )
        clips = db.sql(_LABELLED).to_arrow_table()
    removed = {why: counted.get(why, 0) for why in lists}
    if not clips.num_rows:
        raise InputError(_nothing(run, removed, languages))
    _check(run, clips)
    return Choice(clips.drop_columns(["labelled", "labelled_sha256", "kept_out"]), removed)


def whole_rows(run: RunFolder, clips: pa.Table) -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """The rows of LABELS of the chosen clips in their order, a few at a time, each with its ``label`` from the choice.

    The audio is looked for where it was when the clips were routed, because that is what the experts heard.
    """
    with duckdb.connect() as db:
        db.register("labels", run.labeled_of(clips["shard"].unique().to_pylist()))
        db.register("clips", clips)
        cursor = db.execute(
            """
            SELECT clips.emotion, clips.status, clips.language, clips.arm, clips.policy,
                labels.* REPLACE (clips.audio_uri AS audio_uri)
            FROM labels JOIN clips USING (utterance_id, shard, position)
            ORDER BY clips.language, clips.emotion, utterance_id
            """
        )
        names = [column[0] for column in cursor.description or ()]
        while rows := cursor.fetchmany(AT_ONCE):
            yield (
                clips.num_rows,
                [
                    {
                        "label": dict(zip(("emotion", "status", "language", "arm", "policy"), row, strict=False)),
                        **dict(zip(names[5:], row[5:], strict=True)),
                    }
                    for row in rows
                ],
            )


def _nothing(run: RunFolder, removed: Mapping[str, int], languages: Sequence[str] | None) -> str:
    where = f" in {', '.join(languages)}" if languages else ""
    kept = sum(removed.values())
    if kept:
        return f"All {kept:,} verified clips of {run}{where} are on a list of what to keep out, so nothing is left"
    return f"{run} has no verified clip to release{where} (gold items do not count). What is missing says: emotrove curate {run}"


def _check(run: RunFolder, clips: pa.Table) -> None:
    gone, changed = [], []
    names = ("utterance_id", "labelled", "audio_sha256", "labelled_sha256")
    for utterance_id, labelled, heard, now in zip(*(clips[name].to_pylist() for name in names), strict=True):
        if not labelled:
            gone.append(utterance_id)
        elif heard != now:
            changed.append(utterance_id)
    if gone:
        raise InputError(
            f"{len(gone):,} verified clips, such as {gone[0]}, are no longer among the labelled clips of {run}. Bring the rows "
            "back, or leave the clips out with --exclude"
        )
    if changed:
        raise InputError(
            f"{len(changed):,} verified clips, such as {changed[0]}, have other audio in {run} than the experts heard. Bring the "
            "audio back and label it again, or leave the clips out with --exclude"
        )
