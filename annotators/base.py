"""What every annotator is, and the loop around it.

An annotator writes one method, ``annotate(clips) -> list[Annotation]``. The base class owns the rest: batches by length and
total seconds, isolation of the clip that fails, checks of what came back, timing and counting.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from pydantic import BaseModel, ConfigDict

from model.length_batches import length_batches

SAMPLE_RATE_HZ = 16_000

OUTPUT_FIELDS = ("quality", "transcript", "style", "votes", "rationale", "features")
"""What an annotator may declare as an output.

``votes`` collects the vote of every voter, and ``features`` (a list of ``manifests.features.FEATURE``, which goes into a table of
its own) what every network gives; ``quality`` is merged; the others have one writer.
"""
SHARED_FIELDS = ("votes", "features", "quality")
"""Outputs that several annotators may write."""


class AnnotatorError(Exception):
    """An annotator broke its contract; the message names it."""


@dataclass(frozen=True, slots=True)
class Clip:
    """One utterance as an annotator sees it.

    ``samples`` is (n,) float32 in [-1, 1), 16 kHz mono. ``fields`` holds the declared inputs: what earlier annotators of the
    chain gave (rows of the structs in ``manifests.schema``), None where they gave nothing.
    """

    utterance_id: str
    samples: np.ndarray
    language: str | None
    text: str | None
    phone_count: int | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def duration_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Rejection:
    """The clip is measured and not wanted."""

    reason: str
    value: float | None = None


@dataclass(frozen=True, slots=True)
class Annotation:
    """What an annotator says of one clip: a value for each declared output, or a rejection (or both)."""

    fields: Mapping[str, Any] = field(default_factory=dict)
    rejection: Rejection | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """The annotator raised on this clip alone."""

    error: str


@dataclass(frozen=True, slots=True)
class Resources:
    """What one copy of an annotator needs. Annotators with equal needs that follow each other share a process."""

    num_cpus: float = 1.0
    num_gpus: float = 0.0


class Options(BaseModel):
    """Base of an annotator's options; an unknown key or a wrong type is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(slots=True)
class Meter:
    """What an annotator has done so far."""

    clips: int = 0
    audio_s: float = 0.0
    busy_s: float = 0.0
    failed: int = 0


class Annotator(ABC):
    """Base of all annotators.

    Class attributes: ``name`` and ``version`` (of the annotator and its weights, written beside each value),
    ``inputs`` (fields of the row that it cannot do without), ``uses`` (those it takes where the chain has them),
    ``outputs``, ``resources``, and ``max_batch_clips`` / ``max_batch_s`` (padded seconds of audio).
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    inputs: ClassVar[tuple[str, ...]] = ()
    uses: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[tuple[str, ...]] = ()
    resources: ClassVar[Resources] = Resources()
    needs_reference: ClassVar[bool] = False
    Options: ClassVar[type[Options]] = Options

    max_batch_clips: int = 64
    max_batch_s: float = 240.0

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        self.options = self.Options.model_validate(dict(options or {}))
        self.meter = Meter()
        self._given = self.gives(self.options)

    @classmethod
    def check(cls, options: Any) -> None:
        """Raise ``MissingPackage`` or ``ConfigError`` where this annotator cannot work here; called before Ray starts."""

    @classmethod
    def gives(cls, options: Any) -> tuple[str, ...]:
        """Those of ``outputs`` that it gives with these options: all, unless it says otherwise.

        One that gives ``features`` gives them for every clip that it does not reject.
        """
        return cls.outputs

    def load(self) -> None:
        """Load models; called once, in the process that will annotate."""

    def set_reference(self, reference: Mapping[str, Any]) -> None:
        """Take the run's statistics; called for annotators with ``needs_reference``."""

    @abstractmethod
    def annotate(self, clips: list[Clip]) -> list[Annotation]:
        """Annotate a batch; one annotation for each clip, in order.

        The answer for a clip must not depend on which clips share its batch. An exception makes the base class try the clips
        one by one, and the one that raises alone becomes ``failed``.
        """

    def run(self, clips: Sequence[Clip]) -> list[Annotation | Failure]:
        """Annotate any number of clips, in batches of similar length; answers come in the order of ``clips``."""
        started = time.perf_counter()
        answers: list[Annotation | Failure | None] = [None] * len(clips)
        durations = [clip.duration_s for clip in clips]
        for batch in length_batches(durations, self.max_batch_s, self.max_batch_clips):
            for index, answer in zip(batch, self._isolated([clips[i] for i in batch]), strict=True):
                answers[index] = answer
        self.meter.clips += len(clips)
        self.meter.audio_s += sum(clip.duration_s for clip in clips)
        self.meter.failed += sum(isinstance(answer, Failure) for answer in answers)
        self.meter.busy_s += time.perf_counter() - started
        return [answer for answer in answers if answer is not None]

    def _isolated(self, batch: list[Clip]) -> list[Annotation | Failure]:
        try:
            answers = self.annotate(batch)
            if len(answers) != len(batch):
                raise AnnotatorError(f"{self.name} gave {len(answers)} annotations for {len(batch)} clips")
            for answer in answers:
                undeclared = set(answer.fields) - set(self.outputs)
                if undeclared:
                    raise AnnotatorError(f"{self.name} gave {sorted(undeclared)}, which it does not declare as output")
                if "features" in self._given and not (answer.fields.get("features") or answer.rejection):
                    raise AnnotatorError(f"{self.name} declares features and gave none")
        except Exception as error:
            if len(batch) == 1:
                return [Failure(f"{type(error).__name__}: {error}")]
            return [answer for clip in batch for answer in self._isolated([clip])]
        return list(answers)


def vote(annotator: Annotator, modality: str, probabilities: Mapping[str, float]) -> dict[str, Any]:
    """A row of ``manifests.schema.VOTE`` from a probability for each emotion."""
    emotion = max(probabilities, key=lambda name: probabilities[name])
    return {
        "voter": annotator.name,
        "version": annotator.version,
        "modality": modality,
        "emotion": emotion,
        "confidence": float(probabilities[emotion]),
        "scores": [{"emotion": name, "score": float(score)} for name, score in probabilities.items()],
    }
