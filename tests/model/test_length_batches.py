"""Clips of similar length together."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from model.length_batches import length_batches, length_groups


def test_batches_hold_so_many_seconds_and_every_clip_once() -> None:
    durations = [1.0, 9.0, 3.0, 2.5, 30.0, 2.0]
    batches = list(length_batches(durations, 10.0))
    assert batches == [[4], [1], [2, 3, 5], [0]]
    assert sorted(i for batch in batches for i in batch) == list(range(6))
    assert list(length_batches([], 10.0)) == []


def test_groups_are_cut_where_it_saves_padding() -> None:
    assert length_groups([300, 10, 290, 12, 11]) == [[1, 4, 3], [2, 0]]
    assert length_groups([300, 280, 290]) == [[1, 2, 0]], "5 % saved are not worth a cut"
    assert length_groups([7]) == [[0]]
    assert length_groups([0, 0]) == [[0, 1]]


@given(st.lists(st.integers(1, 320_000), min_size=1, max_size=30))
def test_groups_hold_every_clip_once_and_are_worth_it(lengths: list[int]) -> None:
    groups = length_groups(lengths)
    in_order = [lengths[index] for group in groups for index in group]
    assert in_order == sorted(lengths)
    assert sorted(index for group in groups for index in group) == list(range(len(lengths)))
    whole = padded_samples(lengths, [range(len(lengths))])
    assert padded_samples(lengths, groups) <= whole - 0.1 * whole * (len(groups) - 1)


def padded_samples(lengths: Sequence[int], groups: Sequence[Sequence[int]]) -> int:
    return sum(len(group) * max(lengths[index] for index in group) for group in groups)
