"""Starting and joining Ray."""

import pytest

from pipeline.config import EngineConfig
from pipeline.engine import EngineError, start


def test_the_ray_client_is_refused_with_the_way_that_works() -> None:
    with pytest.raises(EngineError, match="ray job submit"):
        start(EngineConfig(), "ray://127.0.0.1:10001")
