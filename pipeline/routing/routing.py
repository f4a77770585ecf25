"""Choosing what goes to the experts: for each labelled utterance ``review``, ``accept_machine`` or ``hold``, and why.

What is decided is decided for good and appended; what is held is looked at again by the next routing. Three arms go to review:
``selected`` by a policy within quotas and limits, ``control`` drawn by chance whatever the machine said, ``gold`` with known
answers. The rules are in docs/routing.md.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from manifests.errors import InputError, RunFolderError
from manifests.exclusion import Exclusion, exclusion_reason_sql
from manifests.lease import Lease
from manifests.review import ARMS
from manifests.review_folder import ReviewFolder
from manifests.run_folder import RunFolder
from manifests.text_key import text_key_sql
from pipeline.release.kept_out import kept_out
from pipeline.routing.choice import Asked, choose, load_strata
from pipeline.routing.gold import load_gold, some
from pipeline.routing.policies import POLICIES
from pipeline.routing.rows import Listener, load_audio, load_decided, load_utterances, scratch
from review_ui.exclusive import exclusive

REASONS: Final[dict[str, str]] = {
    "selected": "the policy ranked it among the first of its language and emotion",
    "control": "chance drew it",
    "gold": "its answer is known",
    "sure_enough": "all voters agree, at least as sure as asked for",
    "over_quota": "its language and emotion have their number already",
    "over_source_limit": "review has enough clips of its source; --per-source takes more",
    "over_text_limit": "review has enough clips of this text; --per-text takes more, as read speech needs",
    "no_consensus": "the voters chose none of the seven emotions",
    "kept_for_control": "only chance may draw it, now or in a later routing",
    "kept_for_gold": "its answer is known, and review has enough such clips",
    "excluded": "it, or its source, is on a list of what must stay out",
    "other_language": "its language was not asked for",
}
"""Every reason code, and what it means."""

_ROWS_AT_ONCE = 100_000


@dataclass(frozen=True, slots=True)
class RoutingOptions:
    """What is asked of a routing.

    Raises
    ------
    InputError : the shares leave nothing for the clips that a policy selects
    """

    per_class: int = 100  # clips selected for each language and emotion
    policy: str = "disagreement"  # of POLICIES
    per_source: int = 3
    per_text: int = 1
    control: float = 0.05  # share of the review set
    gold: Path | None = None
    gold_share: float = 0.05  # of the review set
    accept_above: float | None = None  # consensus confidence
    languages: Sequence[str] | None = None
    exclude: Sequence[str] = ()  # files of ids and sources; the run's own takedown list holds too
    seed: int = 0
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.control + self.known_share >= 1:
            raise InputError(
                f"--control {self.control} and --gold-share {self.gold_share} leave no clip to select: give less"
            )

    @property
    def known_share(self) -> float:
        return self.gold_share if self.gold is not None else 0.0


@dataclass(frozen=True, slots=True)
class Stratum:
    """Clips that a policy selected of one language and emotion."""

    language: str | None
    emotion: str
    asked: int
    selected: int  # by this routing and all before
    new: int  # by this routing
    short: int


@dataclass(frozen=True, slots=True)
class ArmCount:
    """Clips of an arm that needs no class."""

    asked: int
    routed: int  # by this routing and all before
    new: int


@dataclass(slots=True)
class Routing:
    """What a routing did, or would do."""

    run: str
    policy: str
    seed: int
    dry_run: bool
    strata: list[Stratum]
    control: ArmCount
    gold: ArmCount
    accepted: int  # by this routing and all before
    accepted_new: int
    held: dict[str, int]  # by reason
    review: int = 0
    review_new: int = 0
    notes: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def route(run: RunFolder, options: RoutingOptions, listener: Listener = lambda done, total: None) -> Routing:
    """Decide on every labelled utterance, append what is decided, and write down what waits.

    The same run, options and earlier decisions give the same decisions, whatever the order of files and rows.

    Parameters
    ----------
    listener : told how many files of rows were read

    Raises
    ------
    RunFolderError, RunLocked : this is no run, or another command works on its review
    InputError : nothing is labelled; a gold id is no utterance of the run; a list cannot be read
    """
    run.require()
    exclusion = reduce(or_, kept_out(run, options.exclude).values())
    review = ReviewFolder(run)
    holding: AbstractContextManager[Lease | None] = nullcontext() if options.dry_run else exclusive(review)
    with holding as lease, scratch() as db:
        load_decided(db, review, options.seed)
        load_utterances(
            db,
            run,
            seed=options.seed,
            languages=options.languages,
            exclusion=exclusion,
            listener=listener,
        )
        notes = _languages_without_clips(db, options.languages)
        notes += load_gold(db, run, options.gold) + _excluded_before(db, exclusion)
        load_strata(db, POLICIES[options.policy], options.per_class, options.languages)
        asked = choose(
            db,
            per_source=options.per_source,
            per_text=options.per_text,
            control=options.control,
            gold=options.known_share,
            accept_above=options.accept_above,
        )
        found = _account(db, run, options, asked, notes)
        if lease is not None:
            _write(db, run, review, options, lease)
    return found


def _languages_without_clips(db: duckdb.DuckDBPyConnection, wanted: Sequence[str] | None) -> list[str]:
    if wanted is None:
        return []
    rows = db.execute(
        "SELECT DISTINCT language FROM utterances WHERE language IS NOT NULL ORDER BY language"
    ).fetchall()
    there = [language for (language,) in rows]
    missing = sorted(set(wanted) - set(there))
    return [f"The run has no labelled clip in {', '.join(missing)}; it has {', '.join(there)}"] if missing else []


def _excluded_before(db: duckdb.DuckDBPyConnection, exclusion: Exclusion) -> list[str]:
    if not exclusion.ids and not exclusion.sources:
        return []
    reason = exclusion_reason_sql("utterance_id", "source_id")
    rows = db.execute(
        f"SELECT utterance_id FROM decided WHERE decision = 'review' AND {reason} IS NOT NULL ORDER BY utterance_id"
    ).fetchall()
    return [f"Excluded now, but in review since an earlier routing, and left there: {some(rows)}"] if rows else []


def _account(
    db: duckdb.DuckDBPyConnection, run: RunFolder, options: RoutingOptions, asked: Asked, notes: list[str]
) -> Routing:
    strata = [
        Stratum(language, emotion, options.per_class, taken + new, new, max(0, options.per_class - taken - new))
        for language, emotion, taken, new in db.execute(
            "SELECT language, emotion, taken, coalesce(n, 0) FROM strata "
            "LEFT JOIN (SELECT class, count(*) AS n FROM picked GROUP BY class) USING (class) ORDER BY class"
        ).fetchall()
    ]
    before = dict(db.execute("SELECT coalesce(arm, decision), count(*) FROM decided GROUP BY ALL").fetchall())
    new = dict(db.execute("SELECT coalesce(arm, decision), count(*) FROM chosen GROUP BY ALL").fetchall())
    both = {name: before.get(name, 0) + new.get(name, 0) for name in (*ARMS, "accept_machine")}
    held = db.execute("SELECT reason, count(*) FROM held GROUP BY reason ORDER BY count(*) DESC, reason").fetchall()
    found = Routing(
        run=str(run),
        policy=options.policy,
        seed=options.seed,
        dry_run=options.dry_run,
        strata=strata,
        control=ArmCount(asked.control, both["control"], new.get("control", 0)),
        gold=ArmCount(asked.gold, both["gold"], new.get("gold", 0)),
        accepted=both["accept_machine"],
        accepted_new=new.get("accept_machine", 0),
        held=dict(held),
        review=sum(both[arm] for arm in ARMS),
        review_new=sum(new.get(arm, 0) for arm in ARMS),
        notes=notes,
    )
    if found.control.routed < found.control.asked:
        found.notes.append(
            f"Control is short by {found.control.asked - found.control.routed}: what an earlier routing has taken may be "
            "drawn no more, and a draw from the rest would not be chance"
        )
    if found.gold.routed < found.gold.asked:
        found.notes.append(f"Gold is short by {found.gold.asked - found.gold.routed}: give more known answers")
    return found


def _write(
    db: duckdb.DuckDBPyConnection, run: RunFolder, review: ReviewFolder, options: RoutingOptions, lease: Lease
) -> None:
    """First what is decided, then what waits: after a crash in between, what is decided holds, and the rest is done again."""
    (count,) = db.execute("SELECT count(*) FROM chosen").fetchall()[0]
    (number,) = db.execute("SELECT coalesce(max(round) + 1, 0) FROM decided").fetchall()[0]
    if count:
        db.execute("CREATE TEMP TABLE places AS SELECT shard, position FROM chosen JOIN scored USING (rid)")
        load_audio(db, run, "places")
        (complete,) = db.execute("SELECT count(*) FROM audio").fetchall()[0]
        if complete != count or lease.lost:
            raise RunFolderError(f"{run} was changed by another command while it was routed. Run the command again")
        review.append_decided(_rows(db, _DECIDED, options, number))
    if lease.lost:
        raise RunFolderError(f"{run} was taken over by another command. Run the command again")
    review.write_held(_rows(db, _HELD, options, number))


def _rows(db: duckdb.DuckDBPyConnection, query: str, options: RoutingOptions, number: int) -> pa.RecordBatchReader:
    given = {"policy": options.policy, "round": number, "seed": options.seed}
    return db.sql(query, params=given).to_arrow_reader(_ROWS_AT_ONCE)


_DECIDED = f"""
SELECT utterance_id, shard, position, decision, reason, arm, $policy AS policy, priority, language, emotion, gold_emotion,
    source_id, {text_key_sql("text")} AS text_key, duration_s, audio_uri, audio_format, audio_sha256, text,
    $round AS round, $seed AS seed
FROM chosen JOIN scored USING (rid) JOIN audio USING (shard, position)
ORDER BY decision DESC, utterance_id
"""

# What only an expert needs is left to the rows of the run.
_HELD = """
SELECT utterance_id, shard, position, 'hold' AS decision, reason, NULL AS arm, $policy AS policy, priority, language, emotion,
    NULL AS gold_emotion, source_id, NULL AS text_key, duration_s, NULL AS audio_uri, NULL AS audio_format,
    NULL AS audio_sha256, NULL AS text, $round AS round, $seed AS seed
FROM held JOIN scored USING (rid)
ORDER BY shard, position
"""
