"""The data card of a release: the README.md that people and the Hugging Face hub read."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from manifests.emotions import CLASSES
from manifests.groups import KEYS
from manifests.publication import UNKNOWN_LICENSE, Publication, known_license
from manifests.review import STATUSES

HOW_LABELLED: Final = (
    "Two experts heard each clip and chose one of seven emotions, or that none can be given. Neither saw the other's answer, and both "
    "were asked to judge the voice and not the words. Where they chose the same emotion the label is verified. Where they differed, "
    "a third person who had not answered the clip settled it and gave a reason; where that was not possible the clip has no "
    "label and is not in the data set."
)
LIMITS: Final = (
    "A label is what listeners heard in a voice. It is not what the speaker felt, and not a fact about the speaker.",
    "A clip has one emotion. Mixed emotions and changes within a clip are lost; second choices are kept beside the table.",
    "Speakers are known only as the input names them. Their age, gender, origin and health are unknown, so nothing can be said on how "
    "the labels differ between groups of people.",
    "The clips are those on which people agreed. Speech that is hard to judge is missing, so a score here is higher than on other speech.",
    "The classes are as frequent as the makers chose, and not as in life.",
    "Transcripts come with the input or from a machine, and hold errors. In stories that are read aloud the words often name the emotion.",
    "Recognising emotions is forbidden or restricted for some purposes in some places, for example at work and in schools in the "
    "European Union (Regulation 2024/1689, Article 5).",
)

_SIZES: Final = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
_STATUS_WORDS: Final = {
    "verified": "two experts gave the same emotion",
    "adjudicated": "they differed, and a third person settled it",
    "no_agreement": "no emotion was agreed on",
    "unusable": "bad audio, several speakers, or no speech",
    "pending": "not answered by all yet",
}


@dataclass(frozen=True, slots=True)
class Agreement:
    """One coefficient over one part of the answers, with its 95 % interval; a value that the data do not define is None."""

    part: str  # e.g. "all clips", "control slice", "angry", "zh"
    measure: str  # e.g. "Krippendorff's α"
    n: int  # clips
    n_sources: int  # recordings they come from
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The figures of a data set."""

    data_files: Mapping[str, Mapping[str, str]]  # configuration → split → file; the first one is the default
    counts: Mapping[str, Mapping[str, int]]  # language → emotion → clips
    duration_s: Mapping[str, float]  # total, mean, min, max
    statuses: Mapping[str, int]  # of the clips in it
    reviewed: Mapping[str, int]  # of all clips that went to the experts
    arms: Mapping[str, int]  # of the clips in it: selected (by a model), control (by chance)
    sources: int
    people: int  # experts who answered a clip that is in it
    agreement: Sequence[Agreement]
    per_class: int | None = None  # clips asked for of each language and emotion
    short: Mapping[str, Mapping[str, int]] = field(default_factory=dict)  # what is missing to that
    splits: Mapping[str, int] = field(default_factory=dict)  # clips by split
    split_by: Sequence[str] = KEYS  # what no two of them share
    warnings: Sequence[str] = ()  # about the splits
    machine_shown: int = 0  # clips in it of which an expert saw the machine's label


def data_card(about: Publication, contents: Contents) -> str:
    """README.md: YAML for the hub, from which ``datasets.load_dataset(folder)`` takes the files, and Markdown for people."""
    head = yaml.safe_dump(front_matter(about, contents), sort_keys=False, allow_unicode=True, width=120)
    parts = [f"---\n{head}---", f"# {plain(about.title)}", plain(about.description)]
    parts += ["## What is in it", *_contents(contents)]
    parts += ["## How the labels were made", HOW_LABELLED, *_review(contents)]
    parts += ["## Agreement of the experts", *_agreement(contents.agreement)]
    parts += ["## Limits and known biases", "\n".join(f"- {limit}" for limit in (*LIMITS, *_biases(contents)))]
    parts += ["## Licence", *_licences(about)]
    if about.contact is not None:
        parts += [
            "## Taking a clip down",
            f"If you hear yourself, or hold the rights to a recording, write to {plain(about.contact)}. The clip and the others of its "
            "recording are left out of the next version.",
        ]
    if about.citation is not None:
        parts += ["## Citation", _fenced(about.citation)]
    return "\n\n".join(parts) + "\n"


def front_matter(about: Publication, contents: Contents) -> dict[str, Any]:
    """The fields of a data card as the hub defines them."""
    clips = sum(contents.statuses.values())
    return {
        "pretty_name": about.title,
        **_license_fields(about),
        "language": list(about.language_codes),
        "task_categories": ["audio-classification"],
        "size_categories": [next((name for below, name in _SIZES if clips < below), "n>10M")],
        "tags": ["speech", "emotion", "speech-emotion-recognition"],
        "configs": [
            {
                "config_name": name,
                **({"default": True} if number == 0 else {}),
                "data_files": [{"split": split, "path": path} for split, path in files.items()],
            }
            for number, (name, files) in enumerate(contents.data_files.items())
        ],
    }


def _license_fields(about: Publication) -> dict[str, Any]:
    found = [known_license(stated) for stated in about.licenses]
    names = sorted({license.hub for license in found if license.hub is not None})
    if found and all(license.hub is not None for license in found):
        return {"license": names[0] if len(names) == 1 else names}
    if len(found) == 1 and found[0].stated != UNKNOWN_LICENSE:
        return {"license": "other", "license_name": found[0].stated, "license_link": found[0].url or "README.md"}
    return {"license": "other", "license_name": "see-card", "license_link": "README.md"}


def _contents(contents: Contents) -> Iterator[str]:
    figures = contents.duration_s
    yield (
        f"{sum(contents.statuses.values()):,} clips, {figures['total'] / 3600:.2f} hours; a clip has {figures['mean']:.1f} s on average "
        f"({figures['min']:.1f} to {figures['max']:.1f} s). They come from {contents.sources:,} recordings."
    )
    by_language = {
        language: [counts.get(emotion, 0) for emotion in CLASSES] for language, counts in contents.counts.items()
    }
    if len(by_language) > 1:
        by_language["all"] = [sum(column) for column in zip(*by_language.values(), strict=True)]
    yield _table(["language", *CLASSES, "all"], [[name, *counts, sum(counts)] for name, counts in by_language.items()])
    if contents.per_class is not None:
        for language, missing in contents.short.items():
            lacking = ", ".join(f"{emotion} {count:,}" for emotion, count in missing.items())
            yield (
                f"Short of the {contents.per_class:,} clips asked for in {plain(language)}: {lacking}. Nothing was filled up."
            )
    if contents.splits:
        yield _table(["split", "clips"], [[name, count] for name, count in contents.splits.items()])
        keys = " or ".join(filter(None, (", ".join(contents.split_by[:-1]), contents.split_by[-1])))
        yield f"No two splits share a {keys}; the figures are in `splits.json`."
        if contents.warnings:
            yield "\n".join(f"- {plain(warning)}" for warning in contents.warnings)


def _review(contents: Contents) -> Iterator[str]:
    yield _table(
        ["status", "meaning", "clips reviewed", "in the data set"],
        [
            [status, _STATUS_WORDS[status], contents.reviewed.get(status, 0), contents.statuses.get(status, 0)]
            for status in STATUSES
        ],
    )
    yield (
        f"{contents.people:,} people answered the clips of this data set. All that is known of them here is a pseudonym for each; their "
        "age, gender, origin and mother tongue are not recorded, although they bear on what is heard."
    )


def _agreement(found: Sequence[Agreement]) -> Iterator[str]:
    if not found:
        yield "Not measured."
        return
    yield (
        "Before adjudication, over the clips that both experts answered. It describes the review, and not only the clips that went into "
        "the data set, on which people agree by construction. The intervals say how far a figure would move with other recordings; of "
        "fewer than about twenty they are too narrow, and where all answers agree they have no width: then read the number of clips."
    )
    yield _table(
        ["part", "measure", "clips", "recordings", "value", "95 % interval"],
        [[one.part, one.measure, one.n, one.n_sources, _number(one.value), _interval(one)] for one in found],
    )


def _biases(contents: Contents) -> Iterator[str]:
    clips = sum(contents.statuses.values())
    selected, control = contents.arms.get("selected", 0), contents.arms.get("control", 0)
    yield (
        f"{selected:,} of the {clips:,} clips ({selected / clips:.0%}) went to the experts because a model chose them, so they "
        f"resemble what that model looks for; {control:,} were chosen by chance."
    )
    if contents.machine_shown:
        yield (
            f"Of {contents.machine_shown:,} of the clips ({contents.machine_shown / clips:.0%}) at least one expert saw the machine's "
            "label before answering; of the others the machine's label was hidden."
        )
    else:
        yield "The machine's label was hidden from the experts."
    settled = contents.statuses.get("adjudicated", 0)
    if settled:
        yield f"On {settled:,} of the clips ({settled / clips:.0%}) two experts differed, and the label is that of a third."


def _licences(about: Publication) -> Iterator[str]:
    yield (
        "The clips keep the licence of the recordings they were cut from; the licence of each is in `provenance.jsonl`."
        if len(about.licenses) > 1 or UNKNOWN_LICENSE in about.licenses
        else "The clips are under the licence of the recordings they were cut from."
    )
    rows = []
    for stated, count in about.licenses.items():
        found = known_license(stated)
        rows.append([stated, found.url or "", count])
    yield _table(["licence", "address", "clips"], rows)


def _interval(one: Agreement) -> str:
    if one.low is None or one.high is None:
        return "not defined"
    return f"{_number(one.low)} to {_number(one.high)}"


def _number(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _table(head: Sequence[Any], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; numbers are on the right."""
    shape = rows[0] if rows else head
    lines = [
        list(map(str, head)),
        ["---:" if isinstance(value, int) else "---" for value in shape],
        *([f"{value:,}" if isinstance(value, int) else plain(str(value)) for value in row] for row in rows),
    ]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def plain(text: str) -> str:
    """Text of the data as one line of Markdown that shows it as it is: no markup, no HTML, no end of a table's cell."""
    line = " ".join(re.sub(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+", " ", text).split())
    line = re.sub(r"([\\`*_{}\[\]#|~!])", r"\\\1", line)
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _fenced(text: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}bibtex\n{text.strip()}\n{fence}"
