"""An annotator on labelled speech, in this process: no Ray and no run folder, the same decoding and the same annotators."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from annotators.registry import find
from manifests.audio_uri import AudioUri
from manifests.emilia import PENDING, Row, new_row
from manifests.errors import ConfigError
from manifests.scoring import Answer
from model.speech import SpeechClip, read_speech
from model.speech.clip import Progress
from pipeline.chain import Chain
from pipeline.config import RunConfig
from pipeline.decode import decode_row
from pipeline.evaluation.evaluation import Evaluation, evaluation, labelled, not_scored

_AT_ONCE = 64  # clips in memory; the annotator makes its own batches of them


def evaluate_annotator(
    name: str,
    inputs: Sequence[str],
    truth: Path | None = None,
    options: Mapping[str, Any] | None = None,
    progress: Progress = lambda done, total: None,
) -> Evaluation:
    """Let an annotator vote on every clip whose emotion is known, and score the votes.

    A clip that cannot be decoded, or on which the annotator fails, counts as wrong and is told apart.

    Parameters
    ----------
    name : as in ``annotators:`` of a profile
    inputs, truth : as for ``model.speech.read_speech``
    options : of the annotator

    Raises
    ------
    ConfigError : there is no such annotator, an option is wrong, or it cannot vote by itself
    MissingPackage : the annotator needs a package that is not installed
    InputError : the input cannot be read, or no emotion is known
    """
    annotator = find(name)
    if annotator.inputs or annotator.needs_reference:
        needs = " and ".join(annotator.inputs) or "the statistics of a run"
        raise ConfigError(
            f"'{name}' needs {needs}, which it cannot make by itself. Label the input with a profile that has all it needs, and "
            f"score the run: emotrove evaluate run RUN TRUTH --voter {name}"
        )
    config = RunConfig(annotators={name: dict(options or {})})
    (chosen,) = config.chain()
    if "votes" not in chosen.gives(annotator.Options.model_validate(config.annotators[name])):
        raise ConfigError(f"'{name}' does not vote with these options, so there is nothing to score")
    speech = read_speech(inputs, truth)
    clips = labelled(speech, inputs)
    chain = Chain([(name, config.annotators[name])])
    answers: list[Answer] = []
    why: Counter[str] = Counter()
    notes: list[str] = []
    versions: set[str] = set()
    for clip, row in _annotated(clips, chain):
        predicted = _vote(row, name)
        versions |= {vote["version"] for vote in row.get("votes") or () if vote["voter"] == name}
        if predicted is None:
            why[row.get("reason") or "no vote"] += 1
            if len(notes) < 3 and row.get("detail"):
                notes.append(f"{clip.id}: {row['detail']}")
        answers.append(Answer(clip.id, str(clip.emotion), predicted, clip.speaker, clip.source_id, clip.language))
        progress(len(answers), len(clips))
    if name == "seed" and not (options or {}).get("weights"):
        from annotators.seed import TRAINED_ON

        notes.append(TRAINED_ON)
    return evaluation(
        f"{name} {', '.join(sorted(versions)) or annotator.version}",
        answers,
        other_classes=speech.other_classes,
        not_scored=not_scored(speech),
        unanswered=dict(why),
        notes=tuple(notes),
    )


def _annotated(clips: list[SpeechClip], chain: Chain) -> Iterator[tuple[SpeechClip, Row]]:
    """Each clip with its row behind the annotator, a few at a time."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, len(clips), _AT_ONCE):
            part = clips[start : start + _AT_ONCE]
            rows = list(pool.map(_decoded, part))
            chain(rows)
            yield from zip(part, rows, strict=True)


def _decoded(clip: SpeechClip) -> Row:
    """A row as the job's reader would give it; of any length, since the truth says that the clip is speech."""
    row = new_row("", 0, clip.id)
    row.update(audio_uri=clip.audio, language=clip.language, text=clip.text, audio=AudioUri.parse(clip.audio).read())
    return decode_row(row, 0.0, float("inf"))


def _vote(row: Row, name: str) -> str | None:
    if row["outcome"] != PENDING:
        return None
    return next((vote["emotion"] for vote in row.get("votes") or () if vote["voter"] == name), None)
