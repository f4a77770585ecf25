"""The run folder: everything that one labelling of one input knows.

    RUN/
      run.yaml            the resolved configuration, versions, a fingerprint of the input
      shards.jsonl        the shards of the input, in order: name, where, size
      reference.json      the statistics behind the words low, medium and high
      labels/outcome=labeled|rejected|failed/SHARD-START.parquet
      features/annotator=NAME/SHARD-START.parquet   of each labelled utterance, by each annotator that gives features
      done/SHARD.json     written last: how many rows in, labeled, rejected, failed
      unreadable/SHARD.json   a shard that could not be read at all, and why
      duplicates.parquet  utterances whose id an earlier shard has already used
      lease.json          who is at work on it now

Rows are committed in chunks: a chunk is a run of consecutive utterances of one shard, and its name says where it starts. The
name of a file depends on nothing else, so doing a chunk again replaces its files instead of adding to them.
"""

import hashlib
import io
import json
import re
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.dataset
import pyarrow.fs
import pyarrow.parquet as pq
import yaml

from manifests import SCHEMA_VERSION
from manifests.errors import RunFolderError
from manifests.features import FEATURES
from manifests.schema import LABELS, OUTCOMES
from manifests.storage import Store

_CHUNK_FILE = re.compile(r"labels/outcome=(?P<outcome>\w+)/(?P<shard>.+)-(?P<start>\d{8,})\.parquet")
_FEATURES_FILE = re.compile(r"features/annotator=[^/]+/(?P<shard>.+)-(?P<start>\d{8,})\.parquet")


@dataclass(frozen=True, slots=True)
class Shard:
    """One unit of input: a tar, or a run of audio files.

    ``url`` is the tar, the folder, or the JSONL file. For a folder ``files`` are the paths inside it; for a JSONL file
    ``lines`` is its byte range and the number of the first line.
    """

    name: str
    kind: str  # tar | folder | jsonl
    url: str
    size: int | None = None  # bytes; None where it could not be told
    files: tuple[str, ...] = ()
    lines: tuple[int, int, int] = (0, 0, 0)  # offset, length, number of the first line

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> "Shard":
        return cls(**{**row, "files": tuple(row.get("files", ())), "lines": tuple(row.get("lines", (0, 0, 0)))})

    def to_json(self) -> dict[str, Any]:
        row = asdict(self)
        return {key: value for key, value in row.items() if value not in ((), (0, 0, 0))}


@dataclass(frozen=True, slots=True)
class ShardCounts:
    """What became of a finished shard. ``rows`` = labeled + rejected + failed, always."""

    shard: str
    rows: int
    labeled: int
    rejected: int
    failed: int
    audio_s: float
    bytes_read: int  # from the shard by the command that finished it
    note: str | None = None

    @property
    def reconciles(self) -> bool:
        return self.rows == self.labeled + self.rejected + self.failed


@dataclass(slots=True)
class CommittedChunk:
    """The rows of one chunk that are on disk."""

    outcomes: dict[int, str] = field(default_factory=dict)  # by position
    audio_s: float = 0.0

    def count(self, outcome: str) -> int:
        return sum(found == outcome for found in self.outcomes.values())


def chunk_file(outcome: str, shard: str, start: int) -> str:
    """Name of the file that holds the rows of a chunk with this outcome."""
    return f"labels/outcome={outcome}/{shard}-{start:08d}.parquet"


def features_file(annotator: str, shard: str, start: int) -> str:
    """Name of the file that holds what an annotator heard in the labelled utterances of a chunk."""
    return f"features/annotator={annotator}/{shard}-{start:08d}.parquet"


def encode_parquet(table: pa.Table) -> bytes:
    """A Parquet file as bytes: zstd, dictionary encoded, one row group."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def fingerprint(shards: Sequence[Shard]) -> str:
    """A hash over names and sizes of the shards; where they lie does not count, so a data set may move."""
    digest = hashlib.sha256()
    for shard in shards:
        digest.update(json.dumps([shard.name, shard.kind, shard.size, shard.files, shard.lines]).encode())
    return digest.hexdigest()


class RunFolder:
    """A run folder on a local path or any URL that fsspec knows."""

    def __init__(self, root: str) -> None:
        self.store = Store(root)

    def __str__(self) -> str:
        return self.store.path()

    # -- what was asked for ------------------------------------------------------------------------------------------

    def exists(self) -> bool:
        return self.store.exists("run.yaml")

    def require(self) -> dict[str, Any]:
        """The content of ``run.yaml``.

        Raises
        ------
        RunFolderError : there is no run here, it is damaged, or it was written by a newer emotrove
        """
        try:
            record = yaml.safe_load(self.store.read_text("run.yaml"))
        except FileNotFoundError:
            raise RunFolderError(
                f"{self} is not a run folder: it has no run.yaml. Start a run with: emotrove label INPUT {self}"
            ) from None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            raise RunFolderError(
                f"{self.store.path('run.yaml')} is damaged: {error}. Put it back from a copy"
            ) from error
        if not isinstance(record, dict) or not isinstance(record.get("schema_version"), int):
            raise RunFolderError(f"{self.store.path('run.yaml')} was not written by emotrove. Give another run folder")
        if record["schema_version"] > SCHEMA_VERSION:
            raise RunFolderError(
                f"{self} has schema version {record['schema_version']}, this emotrove reads up to {SCHEMA_VERSION}: upgrade it"
            )
        return dict(record)

    def write_run(self, record: dict[str, Any]) -> None:
        text = yaml.safe_dump(
            {"schema_version": SCHEMA_VERSION, **record}, sort_keys=False, allow_unicode=True, width=120
        )
        self.store.write_text("run.yaml", text)

    def shards(self) -> list[Shard]:
        """The shards of the input, in order."""
        self.require()
        return [Shard.from_json(json.loads(line)) for line in self.store.read_text("shards.jsonl").splitlines()]

    def write_shards(self, shards: Iterable[Shard]) -> None:
        lines = (json.dumps(shard.to_json()) + "\n" for shard in shards)
        self.store.write_text("shards.jsonl", "".join(lines))

    # -- markers -----------------------------------------------------------------------------------------------------

    def mark_done(self, counts: ShardCounts) -> None:
        self.store.write_text(f"done/{counts.shard}.json", json.dumps(asdict(counts)) + "\n")
        self.store.delete(f"unreadable/{counts.shard}.json")

    def unmark_done(self, shard: str) -> None:
        self.store.delete(f"done/{shard}.json")

    def done_names(self) -> set[str]:
        """Names of the finished shards, without reading their markers."""
        return {_marked(name) for name in self.store.list("done")}

    def done(self) -> Iterator[ShardCounts]:
        for name in self.store.list("done"):
            yield ShardCounts(**json.loads(self.store.read_text(name)))

    def mark_unreadable(self, shard: str, error: str) -> None:
        self.store.write_text(f"unreadable/{shard}.json", json.dumps({"shard": shard, "error": error}) + "\n")

    def unreadable(self) -> dict[str, str]:
        """Error by name of shard, for the shards that could not be read at all."""
        return {
            _marked(name): json.loads(self.store.read_text(name))["error"] for name in self.store.list("unreadable")
        }

    # -- rows --------------------------------------------------------------------------------------------------------

    def chunk_files(self) -> dict[str, dict[int, dict[str, str]]]:
        """File name by shard, start of chunk, and outcome."""
        found: dict[str, dict[int, dict[str, str]]] = {}
        for outcome in OUTCOMES:
            for name in self.store.list(f"labels/outcome={outcome}"):
                match = _CHUNK_FILE.fullmatch(name)
                if match is None:
                    raise RunFolderError(f"{self.store.path(name)} is not a file of emotrove; move it elsewhere")
                found.setdefault(match["shard"], {}).setdefault(int(match["start"]), {})[outcome] = name
        return found

    def committed(self, shards: Iterable[str]) -> dict[str, dict[int, CommittedChunk]]:
        """The rows on disk of the shards named, by shard and start of chunk; for the unfinished shards of a resumed run.

        Raises
        ------
        RunFolderError : a row is there twice, which no kill can bring about
        """
        files = self.chunk_files()
        result: dict[str, dict[int, CommittedChunk]] = {}
        for shard in shards:
            chunks = result[shard] = {}
            seen: set[int] = set()
            for start, by_outcome in files.get(shard, {}).items():
                chunk = chunks[start] = CommittedChunk()
                for outcome, name in by_outcome.items():
                    table = self.read_table(name, ["position", "duration_s"])
                    positions = table["position"].to_pylist()
                    twice = seen.intersection(positions)
                    if twice:
                        raise RunFolderError(
                            f"{self.store.path(name)}: row {min(twice)} of {shard} is in another file too"
                        )
                    seen.update(positions)
                    chunk.outcomes.update(dict.fromkeys(positions, outcome))
                    chunk.audio_s += sum(filter(None, table["duration_s"].to_pylist()))
        return result

    def read_table(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """One Parquet file of the run.

        Raises
        ------
        FileNotFoundError : there is none
        RunFolderError : it is damaged
        """
        data = self.store.read_bytes(name)
        try:
            return pq.read_table(pa.BufferReader(data), columns=columns)
        except (pa.ArrowException, OSError) as error:  # pyarrow raises OSError for pages it cannot read
            raise RunFolderError(f"{self.store.path(name)} is damaged: {error}. Put it back from a copy") from error

    def label_files(self, outcomes: Sequence[str] = OUTCOMES) -> list[str]:
        """Names of the files that hold the rows with these outcomes."""
        return [name for outcome in outcomes for name in self.store.list(f"labels/outcome={outcome}")]

    def feature_annotators(self) -> list[str]:
        """Names of the annotators of this run that give utterance features."""
        return list(self.require().get("features", []))

    def feature_files(self, annotators: Iterable[str] | None = None) -> list[str]:
        """Names of the files with the features of these annotators; None for all."""
        names = self.feature_annotators() if annotators is None else annotators
        return [file for name in names for file in self.store.list(f"features/annotator={name}")]

    def features(self, annotators: Sequence[str] | None = None, but: Container[str] = ()) -> pa.dataset.Dataset:
        """Utterance features (``manifests.features.FEATURES``) as an Arrow dataset; of all annotators, or of those named.

        In a finished shard each labelled utterance has one row of each annotator. In one that a job is at work on, or was
        killed at, there may be rows whose labels are not there yet.

        Raises
        ------
        RunFolderError : an annotator of this name gives no features in this run
        """
        known = self.feature_annotators()
        for name in annotators or ():
            if name not in known:
                has = f"it has those of {', '.join(known)}" if known else "no annotator of it gives any"
                raise RunFolderError(
                    f"{self} has no features of '{name}': {has}. Label into a new run folder with an annotator that does"
                )
        names = [name for name in self.feature_files(annotators) if name not in but]
        return self.dataset_of(names, FEATURES)

    def sweep_features(self, chunks: Mapping[str, Mapping[int, CommittedChunk]]) -> None:
        """Delete the features of chunks that have no labelled row, left by a kill just before these rows, or by a shard
        that was cut into other chunks once it was repaired.

        Parameters
        ----------
        chunks : what is on disk of some shards, by shard and start; other shards are left alone
        """
        for name in self.feature_files():
            match = _FEATURES_FILE.fullmatch(name)
            if match is None:
                raise RunFolderError(f"{self.store.path(name)} is not a file of emotrove; move it elsewhere")
            if match["shard"] not in chunks:
                continue
            chunk = chunks[match["shard"]].get(int(match["start"]))
            if chunk is None or not chunk.count("labeled"):
                self.store.delete(name)

    def damaged(self) -> set[str]:
        """Names of the files of rows and features that cannot be read; looks into every one."""
        found = set()
        for name in [*self.label_files(), *self.feature_files()]:
            try:
                self.read_table(name)
            except RunFolderError:
                found.add(name)
        return found

    def dataset(self, outcomes: Sequence[str] = OUTCOMES, but: Container[str] = ()) -> pa.dataset.Dataset:
        """All rows with these outcomes as an Arrow dataset, which is read in batches; ``but`` names files to leave out."""
        return self.dataset_of([name for name in self.label_files(outcomes) if name not in but], LABELS)

    def labeled_of(self, shards: Iterable[str]) -> pa.dataset.Dataset:
        """The labelled rows of these shards alone: who needs few clips of a large run reads few files."""
        files = self.chunk_files()
        names = [
            by_outcome["labeled"]
            for shard in sorted(shards)
            for by_outcome in files.get(shard, {}).values()
            if "labeled" in by_outcome
        ]
        return self.dataset_of(names, LABELS)

    def dataset_of(self, names: Sequence[str], schema: pa.Schema) -> pa.dataset.Dataset:
        """Parquet files of the run, by name, as an Arrow dataset, which is read in batches."""
        if self.store.is_local:
            files, filesystem = [self.store.path(name) for name in names], pa.fs.LocalFileSystem()
        else:
            fs, root = self.store.remote
            files = [f"{root}/{name}" for name in names]
            filesystem = pa.fs.PyFileSystem(pa.fs.FSSpecHandler(fs))
        return pa.dataset.dataset(files, schema=schema, format="parquet", filesystem=filesystem)

    def duplicates(self) -> pa.Table | None:
        """``utterance_id, shard, position`` of the rows whose id an earlier shard has used; they do not count downstream.

        None while a job adds rows, or where it was killed before its end.
        """
        try:
            return self.read_table("duplicates.parquet")
        except FileNotFoundError:
            return None

    def forget_duplicates(self) -> None:
        """To be called before rows are added."""
        self.store.delete("duplicates.parquet")

    def write_duplicates(self, table: pa.Table) -> None:
        self.store.write_bytes("duplicates.parquet", encode_parquet(table.cast(DUPLICATES)))


DUPLICATES = pa.schema([("utterance_id", pa.string()), ("shard", pa.string()), ("position", pa.int32())])


def _marked(name: str) -> str:
    return name.rsplit("/", 1)[-1].removesuffix(".json")
