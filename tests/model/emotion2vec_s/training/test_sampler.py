import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from manifests.errors import ConfigError
from manifests.waveform import SAMPLE_RATE_HZ
from model.emotion2vec_s.pretraining.losses import UNLABELLED
from model.emotion2vec_s.training.configuration import Balance, DataConfig
from model.emotion2vec_s.training.sampler import Sampler, Stream

PART_S = 60.0


def corpus(seed: int, clips: int = 400, labelled: float = 0.5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Samples taken, samples there, and labels of clips of 1 to 12 s, three classes of 70, 20 and 10 %."""
    rng = np.random.default_rng(seed)
    full = (rng.uniform(1, 12, clips) * SAMPLE_RATE_HZ).astype(np.int64)
    labels = np.where(rng.random(clips) < labelled, rng.choice(3, clips, p=[0.7, 0.2, 0.1]), UNLABELLED)
    return np.minimum(full, 8 * SAMPLE_RATE_HZ), full, labels


def sampler(
    seed: int = 0, part_s: float = PART_S, **changed: object
) -> tuple[Sampler, np.ndarray, np.ndarray, np.ndarray]:
    samples, full, labels = corpus(seed)
    config = DataConfig(**{"bucket_batches": 10, **changed})  # type: ignore[arg-type]
    return Sampler(samples, full, labels, config, part_s, seed), samples, full, labels


@given(seed=st.integers(0, 2**32 - 1), numbers=st.lists(st.integers(0, 10_000), min_size=1, max_size=8))
@settings(max_examples=30)
def test_a_batch_follows_from_seed_and_number_alone(seed: int, numbers: list[int]) -> None:
    once, again = sampler(seed)[0], sampler(seed)[0]
    seen = {number: once.batch(number) for number in numbers}
    for number in reversed(numbers):
        other = again.batch(number)
        assert np.array_equal(seen[number].clips, other.clips)
        assert np.array_equal(seen[number].begins, other.begins)
        assert np.array_equal(seen[number].seeds, other.seeds)


def test_other_seeds_and_numbers_give_other_batches() -> None:
    one = sampler(0)[0]
    _, samples, full, labels = sampler(0)
    other = Sampler(samples, full, labels, DataConfig(bucket_batches=10), PART_S, 1)
    assert not np.array_equal(one.batch(0).clips, other.batch(0).clips)
    assert not np.array_equal(one.batch(0).clips, one.batch(1).clips)
    assert len({int(seed) for number in range(50) for seed in one.batch(number).seeds}) == sum(
        len(one.batch(number).clips) for number in range(50)
    )


@given(seed=st.integers(0, 1000), number=st.integers(0, 1000), workers=st.integers(1, 8))
@settings(max_examples=40)
def test_workers_share_out_exactly_the_batch(seed: int, number: int, workers: int) -> None:
    made, samples, *_ = sampler(seed, 2 * PART_S)
    whole = made.batch(number)
    shares = made.shares(number, workers)
    rows = [row for share in shares for row in zip(share.clips, share.begins, share.seeds, strict=True)]
    assert sorted(rows) == sorted(zip(whole.clips, whole.begins, whole.seeds, strict=True))
    loads = [samples[share.clips].sum() for share in shares]
    assert max(loads) - min(loads) <= samples[whole.clips].max()


@given(seed=st.integers(0, 1000), share=st.floats(0.2, 0.8))
@settings(max_examples=20)
def test_shares_of_labelled_audio_and_seconds_of_a_batch(seed: int, share: float) -> None:
    made, samples, _, labels = sampler(seed, labelled_share=share)
    batches = [made.batch(number).clips for number in range(50)]
    seconds = np.array([samples[clips].sum() for clips in batches]) / SAMPLE_RATE_HZ
    labelled = sum(samples[clips[labels[clips] != UNLABELLED]].sum() for clips in batches) / SAMPLE_RATE_HZ
    assert labelled / seconds.sum() == pytest.approx(share, abs=0.02)
    assert seconds.mean() == pytest.approx(PART_S, rel=0.02)
    assert seconds.max() <= PART_S + 2 * 8 + 2  # a cut of each kind may go a clip too far
    assert all((labels[clips] != UNLABELLED).any() and (labels[clips] == UNLABELLED).any() for clips in batches)


@pytest.mark.parametrize(
    ("balance", "expected"),
    [
        (Balance.FULL, [1 / 3, 1 / 3, 1 / 3]),
        (Balance.SQUARE_ROOT, None),
        (Balance.NONE, None),
    ],
)
def test_balance(balance: Balance, expected: list[float] | None) -> None:
    made, _, _, labels = sampler(balance=balance)
    drawn = np.concatenate([labels[made.batch(number).clips] for number in range(200)])
    found = np.bincount(drawn[drawn != UNLABELLED], minlength=3) / (drawn != UNLABELLED).sum()
    if expected is None:
        counts = np.bincount(labels[labels != UNLABELLED]).astype(float)
        counts **= {Balance.SQUARE_ROOT: 0.5, Balance.NONE: 1.0}[balance]
        expected = list(counts / counts.sum())
    assert found == pytest.approx(expected, abs=0.02)


def test_clips_of_one_length_mix_their_classes() -> None:
    """A contrast between the emotions of a batch needs several of them."""
    samples = np.full(700, 2 * SAMPLE_RATE_HZ)
    labels = np.arange(700) % 7
    made = Sampler(samples, samples, labels, DataConfig(balance=Balance.FULL, bucket_batches=10), PART_S, 0)
    counts = np.array([np.bincount(labels[made.batch(number).clips], minlength=7) for number in range(50)])
    assert (counts > 0).sum(1).min() >= 5
    assert counts.mean(0) == pytest.approx(30 / 7, abs=0.2)


def test_every_clip_is_drawn_once_in_a_pass() -> None:
    made, samples, _, labels = sampler()
    unlabelled = np.flatnonzero(labels == UNLABELLED)
    numbers = int(3 / made.passes(1))
    drawn = np.concatenate([made.batch(number).clips for number in range(numbers // 10 * 10)])
    counts = np.bincount(drawn, minlength=len(samples))[unlabelled]
    assert counts.max() - counts.min() <= 1
    assert counts.min() >= 2


@given(begin=st.integers(0, 10**7), lengths=st.lists(st.integers(1, 10**6), min_size=2, max_size=10))
def test_windows_of_a_stream_join_without_gap_or_overlap(begin: int, lengths: list[int]) -> None:
    samples = np.random.default_rng(0).integers(1_000, 300_000, 12)
    stream = Stream(np.arange(12), samples, (0,))
    edges = np.cumsum([begin, *lengths])
    parts = [stream.window(int(a), int(b)) for a, b in itertools.pairwise(edges)]
    assert np.array_equal(np.concatenate(parts), stream.window(begin, int(edges[-1])))


def test_crops_stay_inside_the_clip_and_move() -> None:
    made, samples, full, _ = sampler()
    places: dict[int, set[int]] = {}
    for number in range(100):
        batch = made.batch(number)
        assert (batch.begins >= 0).all()
        assert (batch.begins + samples[batch.clips] <= full[batch.clips]).all()
        for clip, begin in zip(batch.clips.tolist(), batch.begins.tolist(), strict=True):
            places.setdefault(clip, set()).add(begin)
    long = [len(found) for clip, found in places.items() if full[clip] > samples[clip] + SAMPLE_RATE_HZ]
    assert long
    assert sum(long) / len(long) > 2
    assert all(found == {0} for clip, found in places.items() if full[clip] == samples[clip])


def test_little_is_padded() -> None:
    made, samples, *_ = sampler()
    batches = [made.batch(number).clips for number in range(100)]
    padded = sum(len(clips) * samples[clips].max() for clips in batches)
    assert padded / sum(samples[clips].sum() for clips in batches) < 1.25


def test_only_labelled_or_only_unlabelled_clips() -> None:
    samples, full, labels = corpus(0)
    for chosen in (labels != UNLABELLED, labels == UNLABELLED):
        made = Sampler(samples[chosen], full[chosen], labels[chosen], DataConfig(bucket_batches=10), PART_S, 0)
        seconds = [samples[chosen][made.batch(number).clips].sum() / SAMPLE_RATE_HZ for number in range(50)]
        assert np.mean(seconds) == pytest.approx(PART_S, rel=0.03)


def test_a_batch_too_small_for_its_clips_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"Raise data\.batch_s"):
        sampler(part_s=10.0)
    with pytest.raises(ConfigError, match=r"has 6, too few for 7 workers. Raise data\.batch_s"):
        sampler()[0].require(7)


@given(seed=st.integers(0, 1000), part_s=st.floats(40, 300), share=st.floats(0.3, 0.7))
@settings(max_examples=20)
def test_as_many_workers_as_are_let_in_find_a_clip_in_every_batch(seed: int, part_s: float, share: float) -> None:
    made, *_ = sampler(seed, part_s, labelled_share=share)
    workers = made._fewest
    made.require(workers)
    assert min(len(made.batch(number).clips) for number in range(300)) >= workers


@given(seed=st.integers(0, 1000), clips=st.integers(40, 120))
@settings(max_examples=20)
def test_few_clips_of_small_classes_still_reach_every_worker(seed: int, clips: int) -> None:
    samples, full, labels = corpus(seed, clips)
    made = Sampler(samples, full, labels, DataConfig(balance=Balance.FULL), PART_S, seed)
    assert min(len(made.batch(number).clips) for number in range(200)) >= made._fewest


def test_a_clip_is_hardly_ever_twice_in_a_batch() -> None:
    """The classes are gone through many times; a contrast between copies of a clip teaches nothing."""
    made, _, _, labels = sampler(balance=Balance.FULL, bucket_batches=50)
    rarest = min(np.bincount(labels[labels != UNLABELLED]))
    assert rarest < 50
    drawn = [clips[labels[clips] != UNLABELLED] for clips in (made.batch(number).clips for number in range(200))]
    distinct = np.mean([len(set(clips)) / len(clips) for clips in drawn])
    assert distinct > 0.95
