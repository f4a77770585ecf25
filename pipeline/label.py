"""The labelling job: shards in, one row for every utterance out, resumable at any moment."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from typing import Any

from annotators.base import Annotator
from manifests.duplicates import find_duplicates
from manifests.errors import InputError, JobStopped, RunFolderError
from manifests.inputs import find_shards
from manifests.lease import Lease
from manifests.run_folder import CommittedChunk, RunFolder, Shard, ShardCounts, fingerprint
from manifests.schema import OUTCOMES
from manifests.settings import difference
from manifests.storage import file_size
from pipeline.commit import Commit
from pipeline.config import RunConfig
from pipeline.reference_pass import reference
from pipeline.source import ShardPlan, count_utterances


@dataclass(slots=True)
class Progress:
    """What the job has done so far. ``rows`` and what follows count this command's work, not that of earlier ones."""

    shards_total: int = 0
    shards_done: int = 0
    shards_skipped: int = 0
    rows: int = 0
    labeled: int = 0
    rejected: int = 0
    failed: int = 0
    audio_s: float = 0.0
    bytes_read: int = 0
    bytes_total: int = 0
    rows_total: int | None = None  # with a limit: what this command has to do
    elapsed_s: float = 0.0
    stage: str = "starting"
    unreadable: dict[str, str] = field(default_factory=dict)
    duplicates: int = 0

    @property
    def share(self) -> float:
        """How much of this command's work is done: of the rows with a limit, otherwise of the input's bytes."""
        done, total = (self.bytes_read, self.bytes_total) if self.rows_total is None else (self.rows, self.rows_total)
        return min(1.0, done / total) if total else 0.0

    @property
    def hours_per_hour(self) -> float:
        """Hours of audio labelled in an hour."""
        return self.audio_s / self.elapsed_s if self.elapsed_s > 0 else 0.0


Listener = Callable[[Progress], None]


def label(
    inputs: Sequence[str],
    run: RunFolder,
    config: RunConfig,
    profile: str,
    *,
    address: str | None = None,
    limit: int | None = None,
    listener: Listener = lambda progress: None,
) -> Progress:
    """Label everything in ``inputs`` that the run folder does not hold yet.

    Parameters
    ----------
    inputs : paths, globs or URLs
    limit : take only the first so many utterances of the whole input

    Raises
    ------
    InputError, ConfigError, MissingPackage : before anything starts
    RunLocked, RunFolderError : the run folder belongs to another job, input or configuration
    StorageError, JobStopped : the run folder cannot be written, or an annotator not loaded; what was committed stays
    """
    shards = find_shards(inputs)
    chain = config.chain()
    run.store.ensure()
    with Lease(run.store) as lease:
        prepare(run, shards, config, chain, profile)
        return _label(run, shards, config, chain, lease, address, limit, listener)


def retry(
    run: RunFolder,
    *,
    address: str | None = None,
    listener: Listener = lambda progress: None,
) -> Progress:
    """Try every failed utterance and every unreadable shard of a run again, with the configuration it was made with.

    A shard that was repaired or completed in the meantime is read as it is now, and labelled anew as a whole. Of the others
    a failed row of a tar stays on disk until the new one replaces it.
    """
    record = run.require()
    config = RunConfig.model_validate({**record["config"], "engine": record.get("engine", {})})
    chain = config.chain()
    with Lease(run.store) as lease:
        _same_annotators(run, record, chain)
        files, finished, shards = run.chunk_files(), run.done_names(), run.shards()
        for i, was in enumerate(shards):
            failed = [chunk["failed"] for chunk in files.get(was.name, {}).values() if "failed" in chunk]
            if was.name in finished and not failed:
                continue
            run.unmark_done(was.name)
            now = _as_it_is_now(was)
            if now is not None:
                shards[i] = now
                for name in _outdated(run, was, now, files.get(was.name, {}), failed):
                    run.store.delete(name)
        asked = {"shards": len(shards), "fingerprint": fingerprint(shards)}
        if shards != run.shards() or record["input"] != asked:
            run.write_shards(shards)
            run.write_run({**record, "input": asked})
        return _label(run, shards, config, chain, lease, address, None, listener, retry=True)


def _same_annotators(run: RunFolder, record: Mapping[str, Any], chain: Sequence[type[Annotator]]) -> None:
    changed = difference(record["annotators"], _versions(chain))
    if changed:
        raise RunFolderError(
            f"{run} was made with other versions of the annotators, and rows of both would be mixed. Go back to emotrove "
            f"{record['emotrove']}, or label into a new run folder:\n{changed}"
        )


def _versions(chain: Sequence[type[Annotator]]) -> dict[str, str]:
    return {annotator.name: annotator.version for annotator in chain}


def _outdated(
    run: RunFolder, was: Shard, now: Shard, chunks: Mapping[int, Mapping[str, str]], failed: Sequence[str]
) -> list[str]:
    """Names of the files of a shard that a retry must not keep.

    In a tar that was cut or damaged the utterances may have other positions once it is repaired, so none of its rows stays.
    In a folder or a list the positions stay, but a file that was missing had no size, and the chunks are cut by size.
    """
    if was.kind != "tar" and was == now:
        return list(failed)
    reasons = {reason for name in failed for reason in run.read_table(name, ["reason"])["reason"].to_pylist()}
    if was == now and reasons.isdisjoint(("truncated_tar", "corrupt_tar")):
        return []
    return [name for outcomes in chunks.values() for name in outcomes.values()]


def _as_it_is_now(shard: Shard) -> Shard | None:
    """The shard with its present size; None where it is not there."""
    try:
        if shard.kind == "tar":
            return replace(shard, size=file_size(shard.url))
        if shard.kind == "jsonl":
            by_line = {other.lines[2]: other for other in find_shards([shard.url])}
            now = by_line.get(shard.lines[2])
            return now and replace(shard, size=now.size, lines=now.lines)
    except (OSError, InputError):
        return None
    return shard


def prepare(
    run: RunFolder, shards: Sequence[Shard], config: RunConfig, chain: Sequence[type[Annotator]], profile: str
) -> None:
    """Write down what the run is, or check that it is the same one.

    Raises
    ------
    RunFolderError : with the difference
    """
    asked = {
        "config": config.identity(),
        "annotators": _versions(chain),
        "input": {"shards": len(shards), "fingerprint": fingerprint(shards)},
    }
    if run.exists():
        there = {key: value for key, value in run.require().items() if key in asked}
        config_changed = difference(
            {k: v for k, v in there.items() if k != "input"}, {k: v for k, v in asked.items() if k != "input"}
        )
        if config_changed:
            raise RunFolderError(
                f"{run} was made with another configuration. Use a new run folder, or go back to the old one:\n{config_changed}"
            )
        if there["input"] != asked["input"]:
            raise RunFolderError(
                f"{run} was made from another input. Use a new run folder, or name the old input; shards that were repaired since "
                f"are taken up by: emotrove failures {run} --retry\n" + _input_difference(run.shards(), shards)
            )
        return
    run.write_shards(shards)
    # Neither is asked again: ``engine`` decides no row and is there for a later retry, ``features`` follows from the configuration.
    engine = config.engine.model_dump(mode="json")
    more = {"engine": engine, "features": config.feature_annotators(chain)}
    run.write_run({"profile": profile, "emotrove": version("emotrove"), **more, **asked})


def _input_difference(old: Sequence[Shard], new: Sequence[Shard]) -> str:
    before, after = ({shard.name: shard for shard in shards} for shards in (old, new))
    lines = [f"- {name}" for name in before if name not in after]
    lines += [f"+ {name} ({shard.url})" for name, shard in after.items() if name not in before]
    for name, shard in after.items():
        was = before.get(name)
        if was and (was.size, was.files, was.lines) != (shard.size, shard.files, shard.lines):
            lines.append(f"! {name}: was {was.size} bytes, is {shard.size} ({shard.url})")
    shown = lines[:20] + ([f"… and {len(lines) - 20} more"] if len(lines) > 20 else [])
    return "\n".join(shown) or "the order of the shards"


def _plans(
    shards: Sequence[Shard],
    on_disk: Mapping[str, Mapping[int, CommittedChunk]],
    limits: Mapping[str, int],
    common: ShardPlan,
    retry: bool,
) -> list[ShardPlan]:
    """What is left to read: all but the rows on disk; with ``retry``, failed rows count as not on disk."""
    plans = []
    for shard in shards:
        skip = (
            position
            for chunk in on_disk[shard.name].values()
            for position, outcome in chunk.outcomes.items()
            if not (retry and outcome == "failed")
        )
        plans.append(replace(common, shard=shard, skip=frozenset(skip), limit=limits.get(shard.name)))
    return plans


def _taken(shards: Sequence[Shard], limit: int) -> dict[str, tuple[int, bool]]:
    """How many utterances of each shard are among the first ``limit`` of the whole input, and whether these are all of it."""
    taken: dict[str, tuple[int, bool]] = {}
    left = limit
    for shard in shards:
        if left <= 0:
            taken[shard.name] = (0, False)
            continue
        count = count_utterances(shard)
        taken[shard.name] = (min(count, left), count <= left)
        left -= count
    return taken


def _label(
    run: RunFolder,
    shards: Sequence[Shard],
    config: RunConfig,
    chain: Sequence[type[Annotator]],
    lease: Lease,
    address: str | None,
    limit: int | None,
    listener: Listener,
    retry: bool = False,
) -> Progress:
    started = time.monotonic()
    progress = Progress(shards_total=len(shards), unreadable=run.unreadable())

    def tell(stage: str) -> None:
        progress.stage = stage
        progress.elapsed_s = time.monotonic() - started
        listener(progress)

    tell("listing")
    limits: dict[str, int] = {}
    if limit is not None:
        taken = _taken(shards, limit)
        limits = {name: rows for name, (rows, whole) in taken.items() if not whole}
    done = run.done_names()
    unfinished = [shard for shard in shards if shard.name not in done and limits.get(shard.name) != 0]
    progress.shards_done = progress.shards_skipped = len(done)
    progress.bytes_total = sum(shard.size or 0 for shard in unfinished)
    if unfinished:
        from pipeline import engine
        from pipeline.attempts import Attempts

        tell("starting Ray")
        engine.start(config.engine, address)
        attempts = Attempts()
        common = ShardPlan(
            unfinished[0],
            clips_per_chunk=config.chunk.clips,
            bytes_per_chunk=config.chunk.megabytes << 20,
            min_duration_s=config.audio.min_duration_s,
            max_duration_s=config.audio.max_duration_s,
        )
        tell("sampling")
        statistics = reference(run, shards, config, chain, common, attempts)
        tell("labelling")
        run.forget_duplicates()
        on_disk = run.committed(shard.name for shard in unfinished)
        if limit is not None:
            progress.rows_total = 0
            for shard in unfinished:
                wanted = taken[shard.name][0]
                there = (position for chunk in on_disk[shard.name].values() for position in chunk.outcomes)
                progress.rows_total += wanted - sum(position < wanted for position in there)
        run.sweep_features(on_disk)
        plans = _plans(unfinished, on_disk, limits, common, retry)
        dataset = engine.graph(plans, chain, config.annotators, statistics, config.engine, attempts)
        books = {shard.name: _Books(on_disk[shard.name]) for shard in unfinished}
        commit = Commit(run.store.root, lease.token, tuple(run.feature_annotators()))
        # Closed before the lease is given back: what is under way ends with the job.
        with engine.explained(), closing(engine.receipts(dataset, commit)) as receipts:
            for receipt in receipts:
                if receipt["fatal"] or lease.lost:
                    raise JobStopped(f"{receipt['fatal'] or f'{run} was taken over by another job'} {engine.GO_ON}")
                _book(run, books, receipt, progress)
                tell("labelling")
        for name, book in books.items():
            if book.rows is not None:
                raise RunFolderError(
                    f"{run}: {name} has {book.rows} utterances, but {book.total()} rows were written. "
                    "Run the same command again; if this stays, report it"
                )
    tell("looking for ids used twice")
    progress.duplicates = find_duplicates(run, shards)
    tell("done")
    return progress


class _Books:
    """The account of one unfinished shard: the rows of each chunk, and how many there must be, once that is known."""

    def __init__(self, on_disk: Mapping[int, CommittedChunk]) -> None:
        self.chunks: dict[int, tuple[int, int, int, float]] = {
            start: (*(chunk.count(outcome) for outcome in OUTCOMES), chunk.audio_s)  # type: ignore[misc]
            for start, chunk in on_disk.items()
        }
        self.rows: int | None = None
        self.bytes_read = 0
        self.note: str | None = None

    def total(self) -> int:
        return sum(labeled + rejected + failed for labeled, rejected, failed, _ in self.chunks.values())

    def counts(self, shard: str) -> ShardCounts:
        labeled, rejected, failed, audio_s = (sum(column) for column in zip(*self.chunks.values(), strict=True))
        return ShardCounts(shard, self.rows or 0, labeled, rejected, failed, audio_s, self.bytes_read, self.note)


def _book(run: RunFolder, books: dict[str, _Books], receipt: Mapping[str, Any], progress: Progress) -> None:
    """Enter one receipt; the one that completes its shard makes the ``done`` marker."""
    shard = receipt["shard"]
    progress.bytes_read += receipt["bytes_read"]
    if receipt["error"]:
        run.mark_unreadable(shard, receipt["error"])
        progress.unreadable[shard] = receipt["error"]
        return
    book = books.get(shard)
    if book is None:
        return  # a chunk of a finished shard, sent again because a worker died
    book.chunks[receipt["start"]] = (*(receipt[outcome] for outcome in OUTCOMES), receipt["audio_s"])  # type: ignore[assignment]
    book.bytes_read += receipt["bytes_read"]
    if receipt["shard_rows"] is not None:
        book.rows, book.note = receipt["shard_rows"], receipt["note"]
    progress.rows += receipt["new_rows"]
    progress.audio_s += receipt["new_audio_s"]
    for outcome in OUTCOMES:
        setattr(progress, outcome, getattr(progress, outcome) + receipt[f"new_{outcome}"])
    if book.rows is not None and book.total() == book.rows:
        run.mark_done(book.counts(shard))
        progress.unreadable.pop(shard, None)
        progress.shards_done += 1
        del books[shard]
