"""Splits whose parts share no source, speaker, text or audio, with every class in each part as far as groups allow."""

import hashlib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from manifests.groups import KEYS, Groups, Key, SplitError, group_rows
from manifests.split_report import SplitReport, report

SPLITS: Final = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Splits:
    """Which row is in which split."""

    table: pa.Table  # utterance_id, split, group (the smallest id in it); sorted by id
    report: SplitReport


def parse_ratios(text: str) -> dict[str, float]:
    """``80/10/10``: the parts of train, validation and test, in per cent or of 1; a part may be 0.

    Raises
    ------
    SplitError : not three numbers, or they do not make a whole
    """
    try:
        parts = [float(part) for part in text.split("/")]
    except ValueError:
        parts = []
    whole = math.fsum(parts)
    if len(parts) != 3 or any(part < 0 for part in parts) or not any(math.isclose(whole, one) for one in (1, 100)):
        raise SplitError(f"'{text}' is not a split: give train/validation/test in per cent, such as 80/10/10")
    return {name: part / whole for name, part in zip(SPLITS, parts, strict=True) if part}


def assign(table: pa.Table, ratios: Mapping[str, float], seed: int = 0, *, by: Collection[Key] = KEYS) -> Splits:
    """Give every group of rows that belong together to one split.

    The largest groups go first, each to the split where it does most for the parts asked of every language × emotion. The
    result depends on rows, ratios and seed alone, not on the order of the rows.

    Parameters
    ----------
    table, by : as for ``manifests.groups.group_rows``
    ratios : part of each split, of 1; those of ``parse_ratios``
    seed : decides between groups of the same size

    Raises
    ------
    SplitError : there are no rows, an id is there twice, or a ratio is not positive
    """
    if not ratios or any(not part > 0 for part in ratios.values()) or not math.isclose(math.fsum(ratios.values()), 1):
        raise SplitError("The parts of a split must be above 0 and make 1 together")
    if not table.num_rows:
        raise SplitError("There are no rows to split")
    groups = group_rows(table, by)
    classes, of_class = _classes(groups)
    chosen = _distribute(groups, of_class, len(classes), np.array(list(ratios.values())), seed)
    names = np.array(list(ratios), dtype=object)
    table = pa.table(
        {
            "utterance_id": groups.rows["utterance_id"],
            "split": pa.array(names[chosen[groups.of]], pa.string()),
            "group": groups.names.take(pa.array(groups.of)),
        }
    )
    return Splits(table, report(groups, dict(ratios), seed, classes, of_class, chosen))


def _classes(groups: Groups) -> tuple[list[tuple[str | None, str | None]], np.ndarray]:
    """The language × emotion that occur, sorted, and the number of that of each row."""
    pairs = list(zip(groups.rows["language"].to_pylist(), groups.rows["emotion"].to_pylist(), strict=True))
    classes = sorted(set(pairs), key=lambda pair: tuple((value is None, value or "") for value in pair))
    number = {pair: n for n, pair in enumerate(classes)}
    return classes, np.array([number[pair] for pair in pairs])


def _distribute(groups: Groups, of_class: np.ndarray, n_classes: int, parts: np.ndarray, seed: int) -> np.ndarray:
    """(groups,) number of the split of each group.

    A group goes where the sum of (got - asked)² / asked, over classes and over all rows, grows least.
    """
    asked = parts[:, None] * np.bincount(of_class, minlength=n_classes)  # splits × classes
    asked_rows = parts * len(of_class)
    got, got_rows = np.zeros_like(asked), np.zeros_like(asked_rows)
    # The rows of a group lie together once they are sorted by group.
    order = np.argsort(groups.of, kind="stable")
    bounds = np.concatenate([[0], np.cumsum(groups.sizes)])
    chosen = np.empty(len(groups.sizes), np.int64)
    for group in _turns(groups, seed):
        members = of_class[order[bounds[group] : bounds[group + 1]]]
        held, count = np.unique(members, return_counts=True) if len(members) > 1 else (members, np.ones(1))
        n = len(members)
        growth = ((2 * (got[:, held] - asked[:, held]) + count) * count / asked[:, held]).sum(axis=1)
        growth += (2 * (got_rows - asked_rows) + n) * n / asked_rows
        split = int(np.argmin(growth))
        chosen[group] = split
        got[split, held] += count
        got_rows[split] += n
    return chosen


def _turns(groups: Groups, seed: int) -> list[int]:
    """Groups from large to small; those of one size in an order that the seed and their name decide."""
    lots = [hashlib.blake2b(f"{seed} {name}".encode(), digest_size=8).digest() for name in groups.names.to_pylist()]
    return sorted(range(len(lots)), key=lambda group: (-int(groups.sizes[group]), lots[group]))
