"""What a job says of how far it is."""

import pytest

from pipeline.label import Progress
from pipeline.progress import remaining


@pytest.mark.parametrize(
    ("progress", "left"),
    [
        (Progress(), "?"),
        (Progress(bytes_total=100, elapsed_s=60), "?"),
        (Progress(bytes_read=25, bytes_total=100, elapsed_s=60), "0:03:00"),
        (Progress(bytes_read=120, bytes_total=100, elapsed_s=60), "0:00:00"),
        # With a limit most of the input's bytes are never read.
        (Progress(rows=10, rows_total=20, bytes_read=1, bytes_total=1000, elapsed_s=60), "0:01:00"),
        (Progress(rows_total=0, elapsed_s=60), "?"),
    ],
)
def test_the_time_left_follows_from_the_share_that_is_done(progress: Progress, left: str) -> None:
    assert remaining(progress) == left
