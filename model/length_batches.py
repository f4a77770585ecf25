"""Batches of clips of similar length."""

from collections.abc import Iterator, Sequence


def length_batches(durations_s: Sequence[float], batch_s: float, most: int | None = None) -> Iterator[list[int]]:
    """Indices of clips by falling length, cut where the padded batch would be longer than ``batch_s`` seconds of audio.

    The longest come first, so that what does not fit into memory shows at once. A clip longer than a batch is one by itself.

    Parameters
    ----------
    most : clips in a batch
    """
    order = sorted(range(len(durations_s)), key=lambda i: -durations_s[i])
    batch: list[int] = []
    for index in order:
        if batch and (len(batch) == most or durations_s[batch[0]] * (len(batch) + 1) > batch_s):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
