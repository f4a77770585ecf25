"""Fixtures of this room."""

from pathlib import Path

import pytest

from tests.pipeline.bad_shards import Speech, real_speech


@pytest.fixture(scope="module")
def speech(shared_data: Path) -> Speech:
    """Real clips to make shards of."""
    return real_speech(shared_data)
