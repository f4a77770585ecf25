"""What the page shows of a run, counted by DuckDB over its files, and the clips it takes as examples.

Only sums and a few rows come back, so a page of a hundred million rows takes no more memory than one of a hundred.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import duckdb

from manifests.emotions import CLASSES
from manifests.run_folder import RunFolder

EXAMPLES = 8
LANGUAGES = 6  # in the plots; the largest come first
LONG_CLIP_S = 20.0  # a longer one is shown only where there is no shorter one

MEASURES = (
    ("pitch_hz", "pitch", "Hz", 10.0),
    ("loudness_lufs", "loudness", "LUFS", 1.0),
    ("rate_per_s", "rate", "per s", 0.25),
)
"""Column, name, unit and width of a bin of each measure."""


@dataclass(slots=True)
class Figures:
    """What the page shows of all rows; a language or an emotion that a row lacks is None."""

    outcomes: dict[str | None, Counter[str]] = field(default_factory=dict)  # by language
    hours: Counter[str | None] = field(default_factory=Counter)  # by language, labelled clips only
    emotions: dict[str | None, Counter[str | None]] = field(default_factory=dict)  # by language
    confidence: dict[str, Counter[int]] = field(default_factory=dict)  # by emotion: clips by twentieth
    style: dict[tuple[str, str | None], Counter[tuple[str | None, int, str | None]]] = field(default_factory=dict)
    """By measure and language: clips by unit (of the rate), bin and level."""
    voters: list[tuple[Any, ...]] = field(default_factory=list)
    candidates: dict[tuple[str | None, str | None], list[dict[str, Any]]] = field(default_factory=dict)

    @property
    def languages(self) -> list[str | None]:
        """Largest first."""
        return sorted(self.outcomes, key=lambda name: (-self.outcomes[name].total(), name or ""))

    @property
    def emotion_names(self) -> list[str | None]:
        """The seven classes, and what else there is behind them."""
        classes: list[str | None] = [str(emotion) for emotion in CLASSES]
        there = {emotion for counts in self.emotions.values() for emotion in counts}
        return classes + sorted(there - set(classes), key=lambda name: (name is None, name or ""))


def figures_of(run: RunFolder) -> Figures:
    """What is counted over all rows of the run."""
    found = Figures()
    with duckdb.connect() as db:
        db.register("labels", run.dataset())
        for language, outcome, rows, seconds in db.execute(
            "SELECT language, outcome, count(*), coalesce(sum(duration_s), 0) FROM labels GROUP BY ALL"
        ).fetchall():
            found.outcomes.setdefault(language, Counter())[outcome] = rows
            if outcome == "labeled":
                found.hours[language] = seconds / 3600
        db.register("labels", run.dataset(["labeled"]))
        for language, emotion, rows in db.execute(
            "SELECT language, consensus.emotion, count(*) FROM labels GROUP BY ALL"
        ).fetchall():
            found.emotions.setdefault(language, Counter())[emotion] = rows
        for emotion, twentieth, rows in db.execute(
            "SELECT consensus.emotion, greatest(0, least(19, floor(consensus.confidence * 20)))::INT, count(*) FROM labels "
            "WHERE consensus.emotion IS NOT NULL AND isfinite(consensus.confidence) GROUP BY ALL"
        ).fetchall():
            found.confidence.setdefault(emotion, Counter())[twentieth] = rows
        for measure, name, _, width in MEASURES:
            for language, unit, bin_, level, rows in db.execute(
                f"SELECT language, {'style.rate_unit' if name == 'rate' else 'NULL'}, floor(style.{measure} / {width})::INT, "
                f"style.{name}_level, count(*) FROM labels WHERE abs(style.{measure}) < 1e5 GROUP BY ALL"
            ).fetchall():
                found.style.setdefault((measure, language), Counter())[unit, bin_, level] = rows
        found.voters = db.execute(
            "SELECT v.voter, v.version, v.modality, count(*), avg((v.emotion = agreed)::INT) FROM "
            "(SELECT unnest(votes) AS v, consensus.emotion AS agreed FROM labels) GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        # The surest of each language and emotion, ties by id, so that the same run always shows the same clips.
        for language, emotion, best in db.execute(
            "SELECT language, consensus.emotion, min({'long': duration_s > $long, 'doubt': -coalesce(consensus.confidence, 0), "
            "'id': utterance_id, 'shard': shard, 'position': position}, $n) FROM labels WHERE audio_uri IS NOT NULL GROUP BY ALL",
            {"long": LONG_CLIP_S, "n": EXAMPLES},
        ).fetchall():
            found.candidates[language, emotion] = best
    return found


def examples(run: RunFolder, figures: Figures) -> list[dict[str, Any]]:
    """The whole rows of the clips to show, each from the one file that holds its chunk."""
    files = run.chunk_files()
    rows = []
    for pick in _choose(figures):
        starts = [
            s for s, by_outcome in files[pick["shard"]].items() if s <= pick["position"] and "labeled" in by_outcome
        ]
        table = run.read_table(files[pick["shard"]][max(starts)]["labeled"])
        rows += [row for row in table.to_pylist() if row["position"] == pick["position"]]
    return rows


def _choose(figures: Figures) -> list[dict[str, Any]]:
    """Clips that cover emotions first, then languages."""
    left = {key: list(best) for key, best in figures.candidates.items() if key[0] in figures.languages[:LANGUAGES]}
    if any(emotion is not None for _, emotion in left):
        left = {key: best for key, best in left.items() if key[1] is not None}
    chosen: list[dict[str, Any]] = []
    emotions: Counter[str | None] = Counter()
    languages: Counter[str | None] = Counter()
    while left and len(chosen) < EXAMPLES:
        language, emotion = min(left, key=lambda key: (emotions[key[1]], languages[key[0]], key[1] or "", key[0] or ""))
        chosen.append(left[language, emotion].pop(0))
        emotions[emotion] += 1
        languages[language] += 1
        if not left[language, emotion]:
            del left[language, emotion]
    return chosen
