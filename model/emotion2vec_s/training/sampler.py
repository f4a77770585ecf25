"""Which clips make a batch: a pure function of the seed and the batch's number.

Nothing is carried from one batch to the next, so a training resumes without replaying anything, and any number of workers shares
out the same batch.

Clips come from endless streams: the unlabelled clips are one, those of each class another. A stream passes over its clips again
and again, each time in a new order. Laid end to end, the clips of a stream form a line of audio, and every bucket of batches takes
the clips that begin in the next stretch of each line; so each clip is drawn once in a pass, and the shares of labelled and
unlabelled audio and of the classes hold in every bucket. Within a bucket clips are sorted by length and cut into batches, which
then come in a random order.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from manifests.errors import ConfigError
from manifests.waveform import SAMPLE_RATE_HZ
from model.emotion2vec_s.pretraining.losses import UNLABELLED
from model.emotion2vec_s.pretraining.masking import mask_seed
from model.emotion2vec_s.training.configuration import Balance, DataConfig

_ORDER_OF_BATCHES, _CROPS, _STREAMS = range(3)  # keep the random numbers of each purpose apart


@dataclass(frozen=True, slots=True)
class Batch:
    """One part of an update, or what one worker computes of it.

    ``clips`` (n,) are indices into the training set, ``begins`` (n,) the first sample taken of each, ``seeds`` (n,) those of the
    masks; all int64.
    """

    clips: np.ndarray
    begins: np.ndarray
    seeds: np.ndarray


class Stream:
    """An endless sequence of clips.

    Parameters
    ----------
    clips : (n,) indices into the training set, at least one
    samples : (n,) how long each is
    key : of the random numbers; no other stream may have it
    """

    def __init__(self, clips: np.ndarray, samples: np.ndarray, key: Sequence[int]) -> None:
        self._clips, self._samples, self._key = clips, samples.astype(np.int64), tuple(key)
        self.total, self.longest = int(self._samples.sum()), int(self._samples.max())
        self._pass = lru_cache(2)(self._new_pass)

    def _new_pass(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """The clips in the order of one pass, and where in it each begins."""
        order = np.random.default_rng([*self._key, number]).permutation(len(self._clips))
        samples = self._samples[order]
        return self._clips[order], np.cumsum(samples) - samples

    def window(self, begin: int, end: int) -> np.ndarray:
        """The clips that begin in a stretch of the line, in its order; (n,) indices."""
        found = []
        for number in range(begin // self.total, (end - 1) // self.total + 1):
            clips, starts = self._pass(number)
            first, last = np.searchsorted(starts, [begin - number * self.total, end - number * self.total])
            found.append(clips[first:last])
        return np.concatenate(found)


class Sampler:
    """Makes the batches of a training.

    Parameters
    ----------
    samples : (n,) int64, how much of each clip a batch takes, at 16 kHz
    full_samples : (n,) int64, how long each clip is
    labels : (n,) int64, the class of each, or UNLABELLED
    part_s : seconds of audio in one batch, that is in one part of an update

    Raises
    ------
    ConfigError : a batch has no room for the longest clip
    """

    def __init__(
        self,
        samples: np.ndarray,
        full_samples: np.ndarray,
        labels: np.ndarray,
        config: DataConfig,
        part_s: float,
        seed: int,
    ) -> None:
        self._samples, self._spare, self._seed = samples, full_samples - samples, seed
        unlabelled = np.flatnonzero(labels == UNLABELLED)
        classes = {int(c): np.flatnonzero(labels == c) for c in np.unique(labels[labels != UNLABELLED])}
        share = config.labelled_share if len(unlabelled) and classes else float(bool(classes))
        room = part_s * SAMPLE_RATE_HZ
        shares = _class_shares({c: samples[members] for c, members in classes.items()}, config.balance)
        self._labelled = [
            (Stream(members, samples[members], (seed, _STREAMS, 1 + c)), int(room * share * shares[c]))
            for c, members in classes.items()
        ]
        self._unlabelled = []
        if len(unlabelled):
            stream = Stream(unlabelled, samples[unlabelled], (seed, _STREAMS, 0))
            self._unlabelled.append((stream, int(room * (1 - share))))
        # A class that passes through a bucket twice has copies of a clip beside each other there, since they are of one length.
        labelled_passes = min(
            (stream.total // max(quota, 1) for stream, quota in self._labelled), default=config.bucket_batches
        )
        self._batches = max(1, min(config.bucket_batches, labelled_passes))
        self._fewest = 0  # clips of a batch
        for streams, what in ((self._labelled, "labelled"), (self._unlabelled, "unlabelled")):
            taken = sum(quota for _, quota in streams)
            longest = max((stream.longest for stream, _ in streams), default=1)
            # A bucket may lack a clip of each stream; what is left has a clip in every stretch as long as the longest.
            sure = taken - len(streams) * longest / self._batches
            self._fewest += max(int(sure // longest), 0)
            if streams and taken < longest:
                raise ConfigError(
                    f"The {what} clips have {taken / SAMPLE_RATE_HZ:.1f} s of each part of an update, less than their longest clip. "
                    "Raise data.batch_s, or lower accumulation or data.max_duration_s"
                )
        self._bucket = lru_cache(2)(self._new_bucket)

    def require(self, workers: int) -> None:
        """Make sure that every batch has a clip for each worker.

        Raises
        ------
        ConfigError : a batch of the longest clips has not
        """
        if self._fewest < workers:
            raise ConfigError(
                f"Of the longest clips a part of an update has {self._fewest}, too few for {workers} workers. Raise data.batch_s, or "
                "lower accumulation, data.max_duration_s or --workers"
            )

    def passes(self, number: int) -> float:
        """How often the unlabelled clips (without any: the labelled ones) have been gone through before a batch."""
        streams = self._unlabelled or self._labelled
        return number * sum(quota for _, quota in streams) / sum(stream.total for stream, _ in streams)

    def batch(self, number: int) -> Batch:
        """The whole batch of a number, which counts from 0."""
        clips = self._bucket(number // self._batches)[number % self._batches]
        drawn = np.random.default_rng([self._seed, _CROPS, number]).random(len(clips))
        begins = (drawn * (self._spare[clips] + 1)).astype(np.int64)
        seeds = np.array([mask_seed(self._seed, number, place) for place in range(len(clips))], np.int64)
        return Batch(clips, begins, seeds)

    def shares(self, number: int, workers: int) -> list[Batch]:
        """The batch of a number as its workers share it, each about as much audio; ``require`` them first."""
        batch = self.batch(number)
        members: list[list[int]] = [[] for _ in range(workers)]
        loads = np.zeros(workers, np.int64)
        for place in np.argsort(-self._samples[batch.clips], kind="stable"):
            worker = int(loads.argmin())
            members[worker].append(place)
            loads[worker] += self._samples[batch.clips[place]]
        return [Batch(batch.clips[own], batch.begins[own], batch.seeds[own]) for own in map(np.array, members)]

    def _new_bucket(self, number: int) -> list[np.ndarray]:
        """The clips of each batch of a bucket."""
        rng = np.random.default_rng([self._seed, _ORDER_OF_BATCHES, number])
        parts = []
        for streams in (self._labelled, self._unlabelled):
            if streams:
                found = [
                    stream.window(number * self._batches * quota, (number + 1) * self._batches * quota)
                    for stream, quota in streams
                    if quota
                ]
                # Chance decides among clips of the same length, or those of a class would stay beside each other.
                parts.append(self._cut(rng.permutation(np.concatenate(found))))
        return [np.concatenate([part[place] for part in parts]) for place in rng.permutation(self._batches)]

    def _cut(self, clips: np.ndarray) -> list[np.ndarray]:
        """Cut clips, shortest first, into batches of about as much audio each."""
        clips = clips[np.argsort(self._samples[clips], kind="stable")]
        samples = self._samples[clips]
        middles = np.cumsum(samples) - samples // 2 - 1
        places = middles * self._batches // int(samples.sum())
        return np.split(clips, np.searchsorted(places, np.arange(1, self._batches)))


def _class_shares(samples: dict[int, np.ndarray], balance: Balance) -> dict[int, float]:
    """Of the labelled audio, how much is of each class, so that the number of its clips is as the balance says."""
    power = {Balance.FULL: 0.0, Balance.SQUARE_ROOT: 0.5, Balance.NONE: 1.0}[balance]
    weights = {c: len(own) ** power * float(own.mean()) for c, own in samples.items()}
    total = sum(weights.values())
    return {c: weight / total for c, weight in weights.items()}
