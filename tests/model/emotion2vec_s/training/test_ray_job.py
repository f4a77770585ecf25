"""What each worker of a training gets of a cluster."""

import pytest

from model.emotion2vec_s.training.placement import Where
from model.emotion2vec_s.training.ray_job import cpus_each


@pytest.mark.parametrize(
    ("nodes", "workers", "gpus", "expected"),
    [
        ([(8, 0)], 1, False, 8),
        ([(8, 0)], 3, False, 2),
        ([(2, 0)], 2, False, 1),
        ([(8, 0), (4, 0)], 3, False, 4),
        ([(8, 0), (16, 4)], 4, True, 4),  # the machine without a GPU has no part in it
        ([(16, 4), (16, 1)], 2, True, 16),
        ([(2, 4)], 4, True, 1),
    ],
)
def test_all_workers_fit_their_machines(nodes: list[tuple[int, int]], workers: int, gpus: bool, expected: int) -> None:
    there = [{"CPU": float(cpus), **({"GPU": float(cards)} if cards else {})} for cpus, cards in nodes]
    assert cpus_each(there, Where(workers=workers, gpus=gpus)) == expected
