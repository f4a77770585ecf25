"""What a split looks like: sizes asked for and got, groups, duplicates, and warnings with their remedy."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from manifests.groups import Groups, Key

_REMEDY: Final[dict[Key, str]] = {
    "source": "They come from too few sources: add sources, or leave source out if other clips of a source may be in another split",
    "speaker": "They come from too few speakers: add speakers, or leave speaker out if a speaker may be in two splits",
    "text": "If these speakers read from a script, equal words are no second upload: leave text out",
    "audio": "The same audio is there many times: take the copies out",
}


@dataclass(frozen=True, slots=True)
class SplitSize:
    """One split."""

    asked: float  # rows: its part of all
    got: int  # rows
    groups: int


@dataclass(frozen=True, slots=True)
class ClassSize:
    """One language × emotion."""

    language: str | None
    emotion: str | None
    rows: int
    got: dict[str, int]  # by split


@dataclass(frozen=True, slots=True)
class LargestGroup:
    """The largest group, and why it is so large."""

    group: str  # its smallest id
    rows: int
    sources: int
    without: dict[Key, int]  # rows of the largest group if rows were not joined by this


@dataclass(frozen=True, slots=True)
class Duplicates:
    """Rows that are another row told twice."""

    groups: list[list[str]]  # ids, the smallest first

    @property
    def extra_rows(self) -> int:
        return sum(len(ids) - 1 for ids in self.groups)


@dataclass(frozen=True, slots=True)
class NearText:
    """Two rows whose texts differ, but the share ``contained`` of the shorter one is in the longer one."""

    shorter: str
    longer: str
    contained: float


@dataclass(frozen=True, slots=True)
class SplitReport:
    """Figures of a split; ``to_json`` is what is written beside it."""

    rows: int
    seed: int
    by: tuple[str, ...]
    splits: dict[str, SplitSize]
    classes: list[ClassSize]
    group_sizes: dict[int, int]  # how many groups have so many rows
    largest: LargestGroup
    same_text: Duplicates
    short_text: Duplicates  # equal, but too short to be more than a stock phrase: not joined
    near_text: list[NearText]
    same_audio: Duplicates
    warnings: list[str]

    @property
    def groups(self) -> int:
        return sum(self.group_sizes.values())

    def to_json(self) -> dict[str, Any]:
        record = asdict(self)
        record["group_sizes"] = {str(size): count for size, count in self.group_sizes.items()}
        for name in ("same_text", "short_text", "same_audio"):
            found: Duplicates = getattr(self, name)
            record[name] = {"groups": len(found.groups), "extra_rows": found.extra_rows, "ids": found.groups}
        return {**record, "groups": self.groups}


def report(
    groups: Groups,
    ratios: dict[str, float],
    seed: int,
    classes: list[tuple[str | None, str | None]],
    of_class: np.ndarray,
    chosen: np.ndarray,
) -> SplitReport:
    """The figures of a split.

    Parameters
    ----------
    classes, of_class : the language × emotion that occur, and the number of that of each row
    chosen : (groups,) number of the split of each group
    """
    rows = len(of_class)
    names = list(ratios)
    of_row = chosen[groups.of]
    counts = np.zeros((len(names), len(classes)), np.int64)
    np.add.at(counts, (of_row, of_class), 1)
    splits = {
        name: SplitSize(round(part * rows, 3), int((of_row == n).sum()), int((chosen == n).sum()))
        for n, (name, part) in enumerate(ratios.items())
    }
    by_class = [
        ClassSize(*pair, int(counts[:, n].sum()), dict(zip(names, counts[:, n].tolist(), strict=True)))
        for n, pair in enumerate(classes)
    ]
    largest = _largest(groups)
    return SplitReport(
        rows=rows,
        seed=seed,
        by=groups.by,
        splits=splits,
        classes=by_class,
        group_sizes=dict(sorted(Counter(groups.sizes.tolist()).items())),
        largest=largest,
        same_text=_equal(groups.same_text.filter(groups.same_text["long"]), "text_key"),
        short_text=_equal(groups.same_text.filter(pc.invert(groups.same_text["long"])), "text_key"),
        near_text=[
            NearText(**{**row, "contained": round(row["contained"], 3)}) for row in groups.near_text.to_pylist()
        ],
        same_audio=_equal(groups.rows.filter(pc.is_valid(groups.rows["audio_sha256"])), "audio_sha256"),
        warnings=_warnings(rows, ratios, splits, by_class, largest),
    )


def _largest(groups: Groups) -> LargestGroup:
    number = int(np.argmax(groups.sizes))
    members = groups.rows.filter(pa.array(groups.of == number))
    without = {key: groups.largest_without(key) for key in groups.by}
    sources = pc.count_distinct(members["source_id"]).as_py()
    return LargestGroup(groups.names[number].as_py(), members.num_rows, sources, without)


def _equal(table: pa.Table, key: str) -> Duplicates:
    """The ids that share a value, where more than one does; by the smallest id."""
    found: dict[str, list[str]] = {}
    for value, row_id in zip(table[key].to_pylist(), table["utterance_id"].to_pylist(), strict=True):
        found.setdefault(value, []).append(row_id)
    return Duplicates(sorted(sorted(ids) for ids in found.values() if len(ids) > 1))


def _warnings(
    rows: int,
    ratios: dict[str, float],
    splits: dict[str, SplitSize],
    classes: list[ClassSize],
    largest: LargestGroup,
) -> list[str]:
    found = []
    smallest = min(splits, key=lambda name: splits[name].asked)
    if largest.rows > max(1.0, splits[smallest].asked):
        sources = f"{largest.sources:,} {'source' if largest.sources == 1 else 'sources'}"
        text = (
            f"One group, that of {largest.group}, holds {largest.rows:,} of {rows:,} rows from {sources}, and all "
            f"of it is in one split; {smallest} was to have {splits[smallest].asked:,.0f}."
        )
        key, left = min(largest.without.items(), key=lambda item: item[1], default=(None, largest.rows))
        if key is not None and left < largest.rows:
            text += f" If {key} joined no rows, the largest group would have {left:,}. {_REMEDY[key]}."
        else:
            text += " No single key joins it: add rows from other sources, or ask for other ratios."
        found.append(text)
    for name, size in splits.items():
        if abs(size.got - size.asked) > max(1.0, 0.1 * size.asked):
            found.append(f"{name} was to have {size.asked:,.0f} rows and has {size.got:,}: groups are not divided.")
    for one in classes:
        without = [name for name, part in ratios.items() if part * one.rows >= 1 and not one.got[name]]
        if without:
            found.append(
                f"{one.language or 'no language'} {one.emotion or 'no emotion'}: none of its {one.rows:,} rows is in "
                f"{' and '.join(without)}, because groups are not divided."
            )
    return found
