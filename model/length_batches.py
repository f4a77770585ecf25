"""Clips of similar length together, so that little is padded."""

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


def length_groups(lengths: Sequence[int], least_saving: float = 0.1) -> list[list[int]]:
    """Indices of the clips of a batch in groups, the shortest first, each to be padded to its own longest clip.

    A batch is cut in two where that saves most padding, and so on, while it saves at least a share of the whole padded batch.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    enough = max(least_saving * len(order) * lengths[order[-1]], 1)

    def cut(group: list[int]) -> list[list[int]]:
        longest = lengths[group[-1]]
        # The clips before a cut are padded to the last of them.
        saved, place = max((place * (longest - lengths[group[place - 1]]), place) for place in range(1, len(group) + 1))
        return [group] if saved < enough else [*cut(group[:place]), *cut(group[place:])]

    return cut(order)
