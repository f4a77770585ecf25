"""Fixtures for the exchange with Label Studio."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from review_ui.server import TOKEN_VARIABLE
from tests.review_ui.clip_rows import clip_rows
from tests.review_ui.exchange import Exchange, an_exchange
from tests.review_ui.label_studio import RunningLabelStudio
from tests.speech import small_shards

CLIPS = 24


@pytest.fixture(scope="session")
def clips_in_review(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Rows of ROUTES that point into a small shard of real speech."""
    return clip_rows(small_shards(shared_data, tmp_path_factory.mktemp("shards"), 1, CLIPS)[0])


@pytest.fixture
def exchange_of(
    label_studio: RunningLabelStudio, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[list[dict[str, Any]]], Exchange]]:
    """Begins a review of these clips."""
    monkeypatch.setenv(TOKEN_VARIABLE, label_studio.admin.token)
    with ExitStack() as stack:
        yield lambda rows: stack.enter_context(an_exchange(label_studio, rows))


@pytest.fixture
def exchange(
    exchange_of: Callable[[list[dict[str, Any]]], Exchange], clips_in_review: list[dict[str, Any]]
) -> Exchange:
    """A review of 24 clips that has its projects and nothing in them."""
    return exchange_of(clips_in_review)
