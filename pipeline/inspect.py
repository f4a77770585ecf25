"""What an input holds, from headers and JSON alone."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from manifests.inputs import find_shards
from pipeline.source import survey


@dataclass(slots=True)
class Inspection:
    """What was found. ``hours`` and ``languages`` are as the input states them; nothing is decoded."""

    shards: int = 0
    bytes: int = 0
    utterances: int = 0
    hours: float = 0.0
    without_duration: int = 0
    languages: dict[str, int] = field(default_factory=dict)
    formats: dict[str, int] = field(default_factory=dict)
    sources: int = 0
    problems: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


MAX_EXAMPLES = 20


def inspect(inputs: Sequence[str], listener: Callable[[int, int], None] = lambda done, total: None) -> Inspection:
    """Read the headers and the JSON of every shard; audio is skipped over. ``listener`` hears of each shard.

    Raises
    ------
    InputError : there is nothing to read
    """
    found = Inspection()
    languages: Counter[str] = Counter()
    formats: Counter[str] = Counter()
    problems: Counter[str] = Counter()
    sources: set[int] = set()
    shards = find_shards(inputs)
    for shard in shards:
        listener(found.shards, len(shards))
        found.shards += 1
        found.bytes += shard.size or 0
        for chunk in survey(shard):
            trouble = [chunk.error] if chunk.error else [f"{shard.url}: {chunk.note}"] if chunk.note else []
            for text in trouble:
                problems["unreadable_shard" if chunk.error else "no_end_mark"] += 1
                _example(found, text)
            for row in chunk.clips:
                found.utterances += 1
                if row["outcome"] != "pending":
                    problems[row["reason"]] += 1
                    _example(found, f"{row['utterance_id']}: {row['reason']}: {row['detail']}")
                languages[row.get("language") or "?"] += 1
                formats[row.get("audio_format") or "?"] += 1
                if row.get("source_id"):
                    sources.add(hash(row["source_id"]))
                if row.get("stated_duration_s") is None:
                    found.without_duration += 1
                else:
                    found.hours += row["stated_duration_s"] / 3600
    found.languages, found.formats = dict(languages.most_common()), dict(formats.most_common())
    found.problems, found.sources = dict(problems.most_common()), len(sources)
    return found


def _example(found: Inspection, text: str) -> None:
    if len(found.examples) < MAX_EXAMPLES:
        found.examples.append(text)
