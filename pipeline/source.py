"""The Ray Data datasource: one read task per shard, which streams chunks of decoded utterances.

Reading and decoding are one step, because Ray would fuse them into one task anyway, and the encoded audio then never becomes
an Arrow column only to be taken apart again.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO, cast

import pyarrow as pa
from ray.data import Datasource, ReadTask
from ray.data.block import BlockMetadata

from manifests.file_shard import FileShard
from manifests.ids import printable
from manifests.run_folder import Shard
from manifests.storage import file_size, is_url, open_binary
from manifests.tar_shard import TarShard, UnreadableShard
from pipeline.attempts import Attempts
from pipeline.chunks import CHUNK, Chunk, cut_chunks
from pipeline.decode import STAGE as DECODE
from pipeline.decode import decode_row


@dataclass(frozen=True)
class ShardPlan:
    """What is to be read of a shard: all of it but the positions in ``skip``, up to ``limit`` utterances."""

    shard: Shard
    skip: frozenset[int] = frozenset()
    limit: int | None = None
    clips_per_chunk: int = 256
    bytes_per_chunk: int = 16 << 20
    min_duration_s: float = 0.5
    max_duration_s: float = 30.0


class CountingFile:
    """A binary file that counts the bytes handed out."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.bytes_read = 0

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self.bytes_read += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


def read_shard(plan: ShardPlan, audio: bool = True) -> Iterator[Chunk]:
    """The chunks of a shard, with encoded audio unless ``audio`` is off.

    A shard that cannot be read gives one empty chunk with ``error``.
    """
    shard = plan.shard
    try:
        if shard.kind == "folder":
            reader = FileShard(shard)
            yield from _counted(plan, reader, audio, lambda: reader.bytes_read)
            return
        with open_binary(shard.url) as raw:
            if shard.kind == "jsonl":
                lines = FileShard(shard, raw)
                yield from _counted(plan, lines, audio, lambda: lines.bytes_read)
                return
            file = CountingFile(raw)
            tar = TarShard(shard.url, cast(BinaryIO, file), file_size(shard.url), shard.name)
            yield from _counted(plan, tar, audio, lambda: file.bytes_read)
    except OSError as error:
        yield Chunk(shard.name, 0, 0, [], error=printable(f"{shard.url}: {error.strerror or error}"))
    except UnreadableShard as error:
        yield Chunk(shard.name, 0, 0, [], error=printable(str(error)))
    except Exception as error:
        # The clients of object stores raise errors of their own; a store out of reach is no reason to end the job.
        if not is_url(shard.url):
            raise
        yield Chunk(shard.name, 0, 0, [], error=printable(f"{shard.url}: {type(error).__name__}: {error}"))


def _counted(
    plan: ShardPlan, reader: FileShard | TarShard, audio: bool, bytes_read: Callable[[], int]
) -> Iterator[Chunk]:
    counted = 0
    entries = reader.entries(plan.skip, audio)
    for chunk in cut_chunks(plan.shard.name, entries, plan.clips_per_chunk, plan.bytes_per_chunk, plan.limit):
        chunk.bytes_read, counted = bytes_read() - counted, bytes_read()
        if chunk.shard_rows is not None:
            chunk.note = getattr(reader, "note", None)
        yield chunk


def survey(shard: Shard) -> Iterator[Chunk]:
    """The rows of a shard from its headers and its JSON, without reading audio."""
    return read_shard(ShardPlan(shard), audio=False)


def count_utterances(shard: Shard) -> int:
    """How many rows a shard will give; 0 where it is unreadable."""
    return sum(chunk.rows for chunk in survey(shard))


class ShardSource(Datasource):
    """Reads the planned shards; a read task is a shard."""

    def __init__(self, plans: list[ShardPlan], attempts: Attempts) -> None:
        super().__init__()
        self._plans, self._attempts = plans, attempts

    def get_name(self) -> str:
        return "Shards"

    def estimate_inmemory_data_size(self) -> int | None:
        return None

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None
    ) -> list[ReadTask]:
        return [
            ReadTask(_Read(plan, self._attempts), BlockMetadata(None, None, None, None), schema=CHUNK)
            for plan in self._plans
        ]


class _Read:
    def __init__(self, plan: ShardPlan, attempts: Attempts) -> None:
        self._plan, self._attempts = plan, attempts

    def __call__(self) -> Iterator[pa.Table]:
        plan = self._plan
        decode = partial(decode_row, min_duration_s=plan.min_duration_s, max_duration_s=plan.max_duration_s)
        for chunk in read_shard(plan):
            self._attempts.at(chunk, DECODE, lambda rows: [decode(row) for row in rows], [(DECODE, decode)])
            yield chunk.to_table()
