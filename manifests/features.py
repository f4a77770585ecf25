"""Utterance features: what a network heard in a clip, for other networks that are fed with it.

They are a table of their own in the run folder, one row for each labelled utterance and each annotator that gives them, because
a label row has one kilobyte and ten vectors of 768 numbers have fifteen. Values are float16 in C order, as bytes: Parquet
reads and writes one value of 15 kB far faster than a list of 7,680.
"""

import io
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FEATURES_VERSION = 1

FEATURE: Final = pa.struct(
    [
        pa.field("annotator", pa.string(), nullable=False),
        pa.field("version", pa.string(), nullable=False),  # of the annotator and its weights
        pa.field("mode", pa.string(), nullable=False),  # what the values mean, in the annotator's own words
        pa.field("shape", pa.list_(pa.int32()), nullable=False),
        pa.field("values", pa.binary(), nullable=False),  # float16, little-endian, C order
    ]
)
"""The features of one utterance by one annotator."""

FEATURES: Final = pa.schema(
    [
        pa.field("utterance_id", pa.string(), nullable=False),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("position", pa.int32(), nullable=False),  # of the utterance in its shard
        *FEATURE,
    ],
    metadata={"emotrove.schema": "features", "emotrove.schema_version": str(FEATURES_VERSION)},
)
"""Schema of ``features/annotator=…/*.parquet``."""


def feature(annotator: str, version: str, mode: str, values: np.ndarray) -> dict[str, Any]:
    """A row of ``FEATURE``.

    Parameters
    ----------
    values : any shape and any float; kept as float16

    Raises
    ------
    ValueError : a value is not finite, or too large for float16
    """
    with np.errstate(over="ignore"):
        half = values.astype("<f2")
    if not np.isfinite(half).all():
        raise ValueError(f"the features ({mode}) hold values that are not finite, or beyond 65,504")
    return {
        "annotator": annotator,
        "version": version,
        "mode": mode,
        "shape": list(half.shape),
        "values": half.tobytes(),
    }


def values_of(row: Mapping[str, Any]) -> np.ndarray:
    """The numbers of a row of ``FEATURE`` or ``FEATURES``: float16 in the row's shape, read-only."""
    return np.frombuffer(row["values"], "<f2").reshape(row["shape"])


def encode_features(table: pa.Table) -> bytes:
    """A Parquet file as bytes; the values are not compressed, which would save 8 % and make reading ten times slower."""
    sink = io.BytesIO()
    compression = {name: "NONE" if name == "values" else "ZSTD" for name in _leaves(table.schema)}
    dictionary = [name for name in _leaves(table.schema) if name != "values"]
    pq.write_table(table, sink, compression=compression, use_dictionary=dictionary)
    return sink.getvalue()


def _leaves(schema: pa.Schema) -> list[str]:
    """Names of the columns as Parquet knows them: a list is named by its elements."""
    return [f"{field.name}.list.element" if pa.types.is_list(field.type) else field.name for field in schema]
