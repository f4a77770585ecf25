"""The same job from and to an object store."""

import json
from pathlib import Path

import pytest

from tests.pipeline.command import emotrove, last_event
from tests.pipeline.rows import assert_same, rows_of
from tests.speech import small_shards

pytestmark = pytest.mark.ray

SHARDS, CLIPS = 2, 16
PROFILE = "chunk: {clips: 8}\nreference: {clips: 32, min_clips: 16}\n"


def test_from_and_to_s3(s3: str, shared_data: Path, tmp_path: Path) -> None:
    import boto3

    root = f"s3://{s3}"
    shards = small_shards(shared_data, tmp_path / "in", SHARDS, CLIPS)
    profile = tmp_path / "profile.yaml"
    profile.write_text(PROFILE)
    local = tmp_path / "run"
    last_event(emotrove("label", *shards, local, "--profile", profile, "--json"))

    bucket = boto3.client("s3")
    for shard in shards:
        bucket.upload_file(str(shard), s3, f"in/{shard.name}")
    command = ("label", f"{root}/in/*.tar", f"{root}/run", "--profile", profile, "--json")
    # First a part, then the rest into the same folder.
    first = last_event(emotrove(*command, "--limit", "20"))
    assert first["rows"] == first["rows_total"] == 20
    # What is on disk is no work any more.
    more = last_event(emotrove(*command, "--limit", "26"))
    assert more["rows"] == more["rows_total"] == 6
    event = last_event(emotrove(*command))
    assert (event["rows"], event["rows_total"], event["shards_done"]) == (SHARDS * CLIPS - 26, None, SHARDS)
    assert last_event(emotrove(*command))["bytes_read"] == 0

    account = json.loads(emotrove("status", f"{root}/run", "--json").stdout)
    assert account["complete"] and account["rows"] == SHARDS * CLIPS
    on_s3 = rows_of(f"{root}/run")
    assert all(row["audio_uri"].startswith(f"{root}/in/") for row in on_s3.values())
    assert_same(rows_of(str(local)), on_s3)
    # No temporary file is left behind, and the lease is given back.
    keys = {item["Key"] for item in bucket.list_objects_v2(Bucket=s3, Prefix="run/")["Contents"]}
    assert not [key for key in keys if "tmp" in key or "lease" in key]

    exported = emotrove("export", f"{root}/run", tmp_path / "out", "--per-class", "1")
    assert exported.returncode == 0, exported.stderr
    assert len(list((tmp_path / "out" / "wav").iterdir())) == len(
        (tmp_path / "out" / "dataset.jsonl").read_text().splitlines()
    )
