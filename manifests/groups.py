"""Rows that must stay together in a split, because they share a source, a speaker, a text or their audio.

What shares anything with anything is one group: the connected components of the graph of rows and what they hold.
"""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from manifests.errors import EmotroveError
from manifests.near_text import text_links

Key = Literal["source", "speaker", "text", "audio"]
KEYS: Final[tuple[Key, ...]] = ("source", "speaker", "text", "audio")

GROUP_ROWS: Final = pa.schema(
    [
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("language", pa.string()),
        pa.field("emotion", pa.string()),
        pa.field("source_id", pa.string()),
        pa.field("speaker", pa.string()),
        pa.field("text", pa.string()),
        pa.field("audio_sha256", pa.string()),
    ]
)
"""What is asked of a row. A null joins a row to nothing."""

_DIARISED: Final = r"^SPEAKER_\d+$"
"""What pyannote and Emilia-Pipe call the speakers of a recording."""


class SplitError(EmotroveError):
    """Rows that cannot be split as asked."""


def parse_keys(text: str) -> tuple[Key, ...]:
    """``source,speaker,audio``: what joins rows.

    Raises
    ------
    SplitError : a name is no key, or there is none
    """
    names = {name.strip() for name in text.split(",") if name.strip()}
    if not names:
        raise SplitError(f"Nothing is named that joins rows: choose from {', '.join(KEYS)}")
    _check_keys(names)
    return tuple(key for key in KEYS if key in names)


def _check_keys(names: Collection[str]) -> None:
    unknown = sorted(set(names) - set(KEYS))
    if unknown:
        raise SplitError(f"Rows cannot be joined by {', '.join(unknown)}: choose from {', '.join(KEYS)}")


@dataclass(frozen=True)
class Groups:
    """Rows, sorted by id, and the group of each."""

    rows: pa.Table  # GROUP_ROWS
    by: tuple[Key, ...]
    of: np.ndarray  # (rows,) number of the group; groups are numbered by their smallest id
    edges: dict[Key, np.ndarray]  # (n, 2) row and number of what it holds, of every key
    same_text: pa.Table  # utterance_id, text_key, long
    near_text: pa.Table  # shorter, longer, contained

    @cached_property
    def sizes(self) -> np.ndarray:
        """(groups,) rows of each."""
        return np.bincount(self.of)

    @cached_property
    def names(self) -> pa.Array:
        """(groups,) the smallest id of each."""
        return self.rows["utterance_id"].combine_chunks().take(pa.array(np.unique(self.of, return_index=True)[1]))

    def largest_without(self, key: Key) -> int:
        """Rows of the largest group if rows were not joined by this."""
        left = [other for other in self.by if other != key]
        return int(np.bincount(_components(self.rows.num_rows, [self.edges[other] for other in left])).max())


def group_rows(table: pa.Table, by: Collection[Key] = KEYS) -> Groups:
    """Join rows that share a source, a speaker, a text (equal or near: ``manifests.near_text``) or their audio.

    A speaker is the same person in every source, but for the names that diarisation gives (``SPEAKER_00``): these mean another
    person in each. Of rows without a source they count as of one source, lest a person be cut in two.

    Parameters
    ----------
    table : the columns of GROUP_ROWS, in any order; others are left alone
    by : what joins rows; where speakers read from a script, text joins everything and must be left out

    Raises
    ------
    SplitError : an id is there twice, a column is missing, or ``by`` names what is no key
    """
    _check_keys(by)
    missing = [name for name in GROUP_ROWS.names if name not in table.column_names]
    if missing:
        raise SplitError(f"Rows to be split lack {', '.join(missing)}")
    rows = table.select(GROUP_ROWS.names).cast(GROUP_ROWS).sort_by("utterance_id")
    ids = rows["utterance_id"]
    twice = ids.slice(1).filter(pc.equal(ids.slice(1), ids.slice(0, max(len(ids) - 1, 0))))
    if len(twice):
        raise SplitError(
            f"The id {twice[0]} is there twice, and {len(twice)} rows in all repeat an id. Keep one row of each"
        )
    same, near = text_links(rows.select(["utterance_id", "text"]))
    source, speaker = _named(rows["source_id"]), _named(rows["speaker"])
    of_source = pc.binary_join_element_wise(pc.fill_null(source, ""), speaker, "\0")
    edges: dict[Key, np.ndarray] = {
        "source": _shared(source),
        "speaker": _shared(pc.if_else(pc.match_substring_regex(speaker, _DIARISED), of_source, speaker)),
        "text": _text_edges(ids, same, near),
        "audio": _shared(rows["audio_sha256"]),
    }
    ordered: tuple[Key, ...] = tuple(key for key in KEYS if key in by)
    labels = _components(rows.num_rows, [edges[key] for key in ordered])
    # The library's numbers follow its own order of search; ours follow the smallest id, which is the first row.
    _, first, of = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty_like(first)
    rank[np.argsort(first)] = np.arange(len(first))
    return Groups(rows, ordered, rank[of], edges, same, near)


def _named(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Null where there is nothing but space: an input that leaves a name empty does not mean one person or recording."""
    return pc.if_else(pc.equal(pc.utf8_trim_whitespace(values), ""), None, values)


def _shared(values: pa.ChunkedArray) -> np.ndarray:
    """(n, 2) row and number of its value, for the rows that have one."""
    codes = values.combine_chunks().dictionary_encode().indices
    there = np.flatnonzero(codes.is_valid().to_numpy(zero_copy_only=False))
    return np.stack([there, codes.drop_null().to_numpy().astype(np.int64)], axis=1)


def _text_edges(ids: pa.ChunkedArray, same: pa.Table, near: pa.Table) -> np.ndarray:
    equal = same.filter(same["long"])
    keys = equal["text_key"].combine_chunks().dictionary_encode()
    pairs = np.arange(near.num_rows, dtype=np.int64) + len(keys.dictionary)
    found: list[tuple[Any, np.ndarray]] = [
        (equal["utterance_id"], keys.indices.to_numpy().astype(np.int64)),
        (near["shorter"], pairs),
        (near["longer"], pairs),
    ]
    return np.concatenate(
        [np.stack([pc.index_in(of, ids).to_numpy().astype(np.int64), held], axis=1) for of, held in found]
    )


def _components(n: int, edges: list[np.ndarray]) -> np.ndarray:
    """(n,) number of the component of each row, in a graph of rows on one side and what they hold on the other."""
    nodes, start = [], n
    for one in edges:
        nodes.append(one + np.array([0, start]))
        start += int(one[:, 1].max()) + 1 if len(one) else 0
    joined = np.concatenate(nodes) if nodes else np.empty((0, 2), np.int64)
    graph = coo_array((np.ones(len(joined), np.int8), (joined[:, 0], joined[:, 1])), shape=(start, start))
    return connected_components(graph.tocsr(), directed=False)[1][:n]
