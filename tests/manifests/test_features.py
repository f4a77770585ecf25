"""The table of utterance features: what goes in comes out, in half precision."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from manifests.errors import RunFolderError
from manifests.features import FEATURES, encode_features, feature, values_of
from manifests.run_folder import RunFolder, features_file
from tests.pipeline.small_run import finished_run


def row(position: int, values: np.ndarray, annotator: str = "ear") -> dict[str, object]:
    of_row = {"utterance_id": f"u{position}", "shard": "s", "position": position}
    return {**of_row, **feature(annotator, "1", "tokens", values)}


@pytest.mark.parametrize("shape", [(10, 768), (768,), (0, 3)])
def test_what_goes_in_comes_out(shape: tuple[int, ...]) -> None:
    given = np.random.default_rng(0).standard_normal((3, *shape)).astype(np.float32)
    table = pa.Table.from_pylist([row(i, values) for i, values in enumerate(given)], schema=FEATURES)
    read = pq.read_table(pa.BufferReader(encode_features(table))).cast(FEATURES)
    assert read.equals(table)
    for values, found in zip(given, read.to_pylist(), strict=True):
        assert values_of(found).dtype == np.float16
        np.testing.assert_array_equal(values_of(found), values.astype(np.float16))


def test_order_in_memory_does_not_matter() -> None:
    values = np.arange(12, dtype=np.float32).reshape(3, 4).T
    np.testing.assert_array_equal(values_of(feature("ear", "1", "mean", values)), values)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e5])
def test_a_value_that_half_precision_cannot_hold_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match=r"the features \(mean\) hold values that are not finite, or beyond 65,504"):
        feature("ear", "1", "mean", np.array([0.0, bad], np.float32))


def test_the_reader_of_a_run(tmp_path) -> None:
    run = finished_run(tmp_path / "run", [{"utterance_id": "u0", "shard": "s", "position": 0}])
    with pytest.raises(RunFolderError, match="has no features of 'ear': no annotator of it gives any"):
        run.features(["ear"])
    assert run.features().count_rows() == 0
    run.write_run({**run.require(), "features": ["ear", "other_ear"]})
    for name in ("ear", "other_ear"):
        table = pa.Table.from_pylist([row(0, np.ones(4), name)], schema=FEATURES)
        run.store.write_bytes(features_file(name, "s", 0), encode_features(table))
    assert run.features().to_table()["annotator"].to_pylist() == ["ear", "other_ear"]
    (found,) = RunFolder(str(run)).features(["other_ear"]).to_table().to_pylist()
    assert (found["annotator"], found["shape"], values_of(found).tolist()) == ("other_ear", [4], [1.0] * 4)
    with pytest.raises(RunFolderError, match="has no features of 'nose': it has those of ear, other_ear"):
        run.features(["nose"])
