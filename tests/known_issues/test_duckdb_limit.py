"""DuckDB 2.0.0 drops a LIMIT that is larger than its estimate of the rows below it, so that all rows come back.

A routing with large quotas then drew the whole run as its control slice. Routing counts rows by ``row_number()`` instead.
"""

from pathlib import Path

from manifests.review_folder import ReviewFolder
from pipeline.routing import RoutingOptions, route
from tests.pipeline.small_run import Row, a_vote, finished_run

ROWS = 20_000


def test_a_large_control_slice_is_not_the_whole_run(tmp_path: Path) -> None:
    vote = [a_vote("sad")]
    rows: list[Row] = [
        {"utterance_id": f"u{n}", "shard": "EN-1", "position": n, "language": "en", "votes": vote} for n in range(ROWS)
    ]
    run = finished_run(tmp_path, rows)
    found = route(run, RoutingOptions(per_class=9000, control=0.4))
    assert (found.control.asked, found.control.routed, found.review) == (6000, 6000, 15_000)
    assert ReviewFolder(run).in_review().num_rows == 15_000
