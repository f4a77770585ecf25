"""A row's way through the annotators, without Ray: what the actors, the sampling pass and the benchmarks all call."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from annotators.base import Annotator, Clip, Failure
from annotators.registry import find
from manifests.emilia import PENDING, Row, fail, reject
from manifests.votes import consensus
from manifests.waveform import from_pcm16


class Chain:
    """Annotators in order, loaded in this process.

    Parameters
    ----------
    specs : (name, options) of each annotator
    reference : statistics of the run, for the annotators that need them
    """

    def __init__(
        self,
        specs: Sequence[tuple[str, Mapping[str, Any]]],
        reference: Mapping[str, Any] | None = None,
        max_batch_clips: int | None = None,
    ) -> None:
        self.annotators: list[Annotator] = []
        for name, options in specs:
            annotator = find(name)(options)
            if max_batch_clips is not None:
                annotator.max_batch_clips = max_batch_clips
            if annotator.needs_reference and reference is not None:
                annotator.set_reference(reference)
            annotator.load()
            self.annotators.append(annotator)

    def __call__(self, rows: Sequence[Row]) -> None:
        """Annotate the pending rows in place; a row that is rejected or fails goes no further."""
        samples = {id(row): from_pcm16(row["audio"]) for row in rows if row["outcome"] == PENDING}
        for annotator in self.annotators:
            pending = [row for row in rows if row["outcome"] == PENDING]
            _annotate(annotator, pending, [samples[id(row)] for row in pending])

    @property
    def name(self) -> str:
        """The names of its annotators."""
        return ", ".join(annotator.name for annotator in self.annotators)

    def steps(self) -> list[tuple[str, Callable[[Row], None]]]:
        """The same for one pending row at a time: name and work of each annotator."""
        return [(annotator.name, partial(_annotate_one, annotator)) for annotator in self.annotators]


def _annotate(annotator: Annotator, pending: Sequence[Row], samples: Sequence[np.ndarray]) -> None:
    """Enter into each row what the annotator says of it."""
    clips = [_clip(row, annotator, own) for row, own in zip(pending, samples, strict=True)]
    for row, answer in zip(pending, annotator.run(clips), strict=True):
        if isinstance(answer, Failure):
            fail(row, annotator.name, "annotator_error", answer.error)
            continue
        for name, value in answer.fields.items():
            if name in ("votes", "features"):
                row[name] = [*(row.get(name) or ()), *value]
            elif name == "quality":
                # The input's own DNSMOS and several annotators share this struct.
                row["quality"] = {**(row.get("quality") or {}), **value}
            else:
                row[name] = value
        if answer.rejection is not None:
            reject(row, annotator.name, answer.rejection.reason, answer.rejection.value)


def finish(rows: Sequence[Row]) -> None:
    """Give the rows that went through the whole chain their outcome and their consensus; drop the audio."""
    for row in rows:
        row.pop("audio", None)
        if row["outcome"] == PENDING:
            row["outcome"] = "labeled"
            row["consensus"] = consensus(row.get("votes") or ())


def _annotate_one(annotator: Annotator, row: Row) -> None:
    _annotate(annotator, [row], [from_pcm16(row["audio"])])


def _clip(row: Row, annotator: Annotator, samples: np.ndarray) -> Clip:
    return Clip(
        utterance_id=row["utterance_id"],
        samples=samples,
        language=row.get("language"),
        text=row.get("text"),
        phone_count=row.get("phone_count"),
        fields={name: row.get(name) for name in (*annotator.inputs, *annotator.uses)},
    )
