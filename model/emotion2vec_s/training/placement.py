"""Where a training runs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Where:
    """The workers of a training."""

    workers: int = 1
    gpus: bool = False  # one for each worker
    address: str | None = None  # of a Ray cluster
