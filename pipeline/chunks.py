"""Chunks: what travels through the Ray graph, one chunk to a row.

A chunk is a run of consecutive utterances of one shard, cut by count and by encoded bytes, so the same shard always gives
the same chunks. It stays together from the read to the commit, whatever Ray does with its blocks.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from manifests.emilia import Row
from manifests.features import FEATURE
from manifests.schema import LABELS
from manifests.tar_shard import Entry

_FEATURES = pa.field("features", pa.list_(FEATURE))
CLIP = pa.struct([*LABELS, _FEATURES, pa.field("audio", pa.binary())])
"""A row in the making; ``audio`` is the encoded clip, and 16 kHz mono PCM16 after decoding."""

CHUNK = pa.schema(
    [
        ("shard", pa.string()),
        ("start", pa.int32()),  # position of the first utterance
        ("rows", pa.int32()),  # utterances in the chunk, with those skipped because they are on disk already
        ("shard_rows", pa.int32()),  # of the whole shard; set on its last chunk only
        ("bytes_read", pa.int64()),
        ("note", pa.string()),
        ("error", pa.string()),  # the shard cannot be read at all
        ("fatal", pa.string()),  # the chunk could not be labelled or written, so the job has to stop
        ("clips", pa.list_(CLIP)),
    ]
)


@dataclass(slots=True)
class Chunk:
    """The Python face of one row of ``CHUNK``."""

    shard: str
    start: int
    rows: int
    clips: list[Row]
    shard_rows: int | None = None
    bytes_read: int = 0
    note: str | None = None
    error: str | None = None
    fatal: str | None = None

    def to_table(self) -> pa.Table:
        row: dict[str, Any] = {name: [getattr(self, name)] for name in CHUNK.names}
        row["clips"] = pa.ListArray.from_arrays(pa.array([0, len(self.clips)], pa.int32()), self._clips_array())
        return pa.table(row, schema=CHUNK)

    def _clips_array(self) -> pa.StructArray:
        """The clips as one array of ``CLIP``.

        Nearly all bytes of a chunk are audio. Joined once into their final buffer they are copied once; Arrow's builder
        would grow its buffer step by step and touch fresh memory each time.
        """
        columns = pa.Table.from_pylist(self.clips, schema=pa.schema([*LABELS, _FEATURES])).combine_chunks().columns
        audio = [row.get("audio") for row in self.clips]
        ends = np.cumsum([0, *(len(data or b"") for data in audio)], dtype=np.int32)
        valid = pa.array([data is not None for data in audio], pa.bool_()).buffers()[1]
        joined = pa.py_buffer(b"".join(data or b"" for data in audio))
        bytes_column = pa.Array.from_buffers(pa.binary(), len(audio), [valid, pa.py_buffer(ends), joined])
        arrays = [column.chunk(0) if column.num_chunks else pa.array([], column.type) for column in columns]
        return pa.StructArray.from_arrays([*arrays, bytes_column], fields=list(CLIP))

    @classmethod
    def from_table(cls, table: pa.Table) -> Iterator["Chunk"]:
        for row in table.to_pylist():
            yield cls(**row)


def cut_chunks(
    shard: str, entries: Iterable[Entry], clips_per_chunk: int, bytes_per_chunk: int, limit: int | None
) -> Iterator[Chunk]:
    """Gather entries into chunks; chunks with nothing to do are left out.

    The last chunk (an empty one if need be) tells the number of rows of the shard, unless ``limit`` cut the reading short.
    """
    chunk = Chunk(shard, 0, 0, [])
    size = position = 0
    for entry in entries:
        if limit is not None and position >= limit:
            if chunk.clips:
                yield chunk
            return
        full = chunk.rows >= clips_per_chunk or (chunk.rows > 0 and size + entry.size > bytes_per_chunk)
        if full:
            if chunk.clips:
                yield chunk
            chunk, size = Chunk(shard, position, 0, []), 0
        chunk.rows += 1
        size += entry.size
        position += 1
        if entry.row is not None:
            chunk.clips.append(entry.row)
    chunk.shard_rows = position
    yield chunk
