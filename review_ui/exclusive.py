"""One command at a time writes the review of a run."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from manifests.errors import JobStopped, RunLocked
from manifests.lease import Lease
from manifests.review_folder import ReviewFolder
from manifests.storage import Store

PATIENCE_S = 10.0
"""A pull that watches holds the review for moments only, so another command waits for a moment."""


@contextmanager
def exclusive(review: ReviewFolder) -> Iterator[Lease]:
    """Hold the review of a run; routing, pushing, pulling and adjudicating exclude each other.

    Raises
    ------
    RunLocked : another command holds it, and went on holding it for ``PATIENCE_S``
    """
    lease = Lease(Store(f"{review.store.root.rstrip('/')}/review"))
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            lease.acquire()
            break
        except RunLocked:
            if time.monotonic() >= until:
                raise
            time.sleep(0.2)
    try:
        yield lease
    finally:
        lease.release()


def still_held(lease: Lease, review: ReviewFolder) -> None:
    """Between two steps of a long command.

    Raises
    ------
    JobStopped : the lease was lost, because this machine was not heard of for too long
    """
    if lease.lost:
        raise JobStopped(
            f"Another command has taken over the review of {review.run}, because this one was not heard of for a while. "
            "What was done stays; run the command again when the other has ended"
        )
