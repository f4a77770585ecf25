"""What an evaluation says, whatever was evaluated."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from manifests.errors import InputError
from manifests.scoring import Answer, Scores, score, score_languages
from model.speech import Speech, SpeechClip

EVALUATION_VERSION = 1


@dataclass(frozen=True, slots=True)
class Folds:
    """What a probe says besides: the mean over its folds is the figure that EmoBox reports."""

    ua_mean: float
    ua: dict[int, float]  # of each fold


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores, and all that is to be known beside them. ``docs/evaluation.md`` says what each figure means."""

    version: int
    subject: str  # whose predictions these are
    scores: Scores
    languages: dict[str, Scores]
    other_classes: dict[
        str, int
    ]  # clips that are not scored, because their emotion is none of the seven, by that emotion
    not_scored: dict[str, int] = field(default_factory=dict)  # other clips that are not scored, by reason
    unanswered: dict[str, int] = field(
        default_factory=dict
    )  # clips that have no prediction, by reason; they count as wrong
    folds: Folds | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def evaluation(subject: str, answers: Sequence[Answer], **beside: Any) -> Evaluation:
    """Score the answers; ``beside`` are the other fields of ``Evaluation``."""
    return Evaluation(EVALUATION_VERSION, subject, score(answers), score_languages(answers), **beside)


def labelled(speech: Speech, inputs: Sequence[str]) -> list[SpeechClip]:
    """The clips of an input whose emotion is known.

    Raises
    ------
    InputError : there is none
    """
    if not speech.labelled:
        raise InputError(
            f"No clip of {', '.join(inputs)} has a known emotion. Give the emotions with --truth; labels of machines are not "
            "taken for truth"
        )
    return speech.labelled


def not_scored(speech: Speech) -> dict[str, int]:
    """Clips of an input that no score takes in, by reason, apart from those of other classes."""
    counts = {
        "without a known emotion": len(speech.clips) - len(speech.labelled),
        "in the truth, not in the input": len(speech.not_found),
        **speech.left_out,
    }
    return {reason: count for reason, count in counts.items() if count}
