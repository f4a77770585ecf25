"""The loop around every annotator: batches, order, isolation, checks and counts."""

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from annotators.base import Annotation, Annotator, Clip, Failure, Options, Rejection, vote
from manifests.features import feature


def clip(name: str, duration_s: float = 1.0) -> Clip:
    return Clip(name, np.zeros(round(duration_s * 16_000), np.float32), "en", name)


class Echo(Annotator):
    """Says the id of each clip; keeps the batches it was given."""

    name = "echo"
    outputs = ("transcript",)

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[list[str]] = []

    def annotate(self, clips: list[Clip]) -> list[Annotation]:
        self.batches.append([clip.utterance_id for clip in clips])
        return [self.one(clip) for clip in clips]

    def one(self, clip: Clip) -> Annotation:
        return Annotation({"transcript": {"text": clip.utterance_id}})


class Picky(Echo):
    """Raises on every clip whose id starts with "bad"."""

    name = "picky"

    def one(self, clip: Clip) -> Annotation:
        if clip.utterance_id.startswith("bad"):
            raise ValueError(f"cannot hear {clip.utterance_id}")
        return super().one(clip)


class Forgetful(Echo):
    """Loses the annotation of the clip "lost"."""

    name = "forgetful"

    def annotate(self, clips: list[Clip]) -> list[Annotation]:
        given = zip(clips, super().annotate(clips), strict=True)
        return [annotation for clip, annotation in given if clip.utterance_id != "lost"]


class Meddler(Echo):
    """Writes into a field of somebody else for the clip "odd"."""

    name = "meddler"

    def one(self, clip: Clip) -> Annotation:
        return Annotation({"style": {}, "quality": {}}) if clip.utterance_id == "odd" else super().one(clip)


class Ear(Echo):
    """Gives features, but for the clip "deaf"; rejects the clip "noise"."""

    name = "ear"
    outputs = ("transcript", "features")

    def one(self, clip: Clip) -> Annotation:
        if clip.utterance_id == "noise":
            return Annotation(rejection=Rejection("noise"))
        given = {} if clip.utterance_id == "deaf" else {"features": [feature(self.name, "1", "mean", np.zeros(2))]}
        return Annotation({**super().one(clip).fields, **given})


class Mute(Ear):
    """Has been told to give no features."""

    name = "mute"

    @classmethod
    def gives(cls, options: Options) -> tuple[str, ...]:
        return ("transcript",)


def said(answers: Sequence[Annotation | Failure]) -> list[str]:
    """The text of each answer, or the error of a failure."""
    return [a.error if isinstance(a, Failure) else a.fields["transcript"]["text"] for a in answers]


def test_answers_come_in_the_order_of_the_clips() -> None:
    annotator = Echo()
    clips = [clip(f"c{i}", seconds) for i, seconds in enumerate((1, 5, 2, 4, 3))]
    assert said(annotator.run(clips)) == ["c0", "c1", "c2", "c3", "c4"]
    assert annotator.batches == [["c1", "c3", "c4", "c2", "c0"]], "the longest come first"


def test_batches_hold_so_many_clips() -> None:
    annotator = Echo()
    annotator.max_batch_clips = 2
    assert said(annotator.run([clip(name) for name in "abcde"])) == list("abcde")
    assert [len(batch) for batch in annotator.batches] == [2, 2, 1]


def test_batches_hold_so_many_padded_seconds() -> None:
    annotator = Echo()
    annotator.max_batch_s = 10.0
    annotator.run([clip("a", 5), clip("b", 1), clip("c", 5), clip("d", 1), clip("e", 1)])
    # The third clip would make 3 x 5 s with its padding, though the clips have only 11 s between them.
    assert annotator.batches == [["a", "c"], ["b", "d", "e"]]


def test_a_clip_longer_than_a_batch_goes_alone() -> None:
    annotator = Echo()
    annotator.max_batch_s = 2.0
    assert said(annotator.run([clip("a", 0.5), clip("long", 9), clip("b", 0.5)])) == ["a", "long", "b"]
    assert annotator.batches == [["long"], ["a", "b"]]


@settings(max_examples=50, deadline=None)
@given(
    durations_s=st.lists(st.integers(0, 8).map(lambda quarters: quarters / 4), max_size=30),
    max_batch_clips=st.integers(1, 6),
    max_batch_s=st.floats(0.5, 8),
)
def test_every_clip_is_in_one_batch_and_no_batch_is_too_large(
    durations_s: list[float], max_batch_clips: int, max_batch_s: float
) -> None:
    annotator = Echo()
    annotator.max_batch_clips, annotator.max_batch_s = max_batch_clips, max_batch_s
    clips = [clip(str(i), duration_s) for i, duration_s in enumerate(durations_s)]
    assert said(annotator.run(clips)) == [clip.utterance_id for clip in clips]
    assert sorted(int(name) for batch in annotator.batches for name in batch) == list(range(len(clips)))
    for batch in annotator.batches:
        padded_s = len(batch) * max(durations_s[int(name)] for name in batch)
        assert len(batch) == 1 or (len(batch) <= max_batch_clips and padded_s <= max_batch_s)


def test_the_clip_that_raises_fails_alone() -> None:
    annotator = Picky()
    answers = annotator.run([clip(name) for name in ("a", "bad1", "b", "bad2", "c")])
    assert said(answers) == ["a", "ValueError: cannot hear bad1", "b", "ValueError: cannot hear bad2", "c"]
    assert [isinstance(answer, Failure) for answer in answers] == [False, True, False, True, False]
    assert annotator.meter.failed == 2


def test_a_good_batch_is_not_tried_again() -> None:
    annotator = Picky()
    annotator.max_batch_clips = 2
    annotator.run([clip("a", 4), clip("b", 4), clip("bad", 1), clip("c", 1)])
    assert annotator.batches == [["a", "b"], ["bad", "c"], ["bad"], ["c"]]


def test_too_few_annotations_fail_the_clip_that_has_none() -> None:
    answers = Forgetful().run([clip(name) for name in ("a", "lost", "b")])
    assert said(answers) == ["a", "AnnotatorError: forgetful gave 0 annotations for 1 clips", "b"]


def test_features_are_for_every_clip_or_for_none() -> None:
    names = ("a", "deaf", "noise", "b")
    hears, deaf, noise, _ = Ear().run([clip(name) for name in names])
    assert isinstance(hears, Annotation) and isinstance(noise, Annotation) and noise.rejection
    assert deaf == Failure("AnnotatorError: ear declares features and gave none")
    assert not any(isinstance(answer, Failure) for answer in Mute().run([clip("deaf")]))


def test_an_undeclared_output_fails_the_clip_that_has_it() -> None:
    answers = Meddler().run([clip(name) for name in ("a", "odd", "b")])
    assert said(answers) == [
        "a",
        "AnnotatorError: meddler gave ['quality', 'style'], which it does not declare as output",
        "b",
    ]


def test_a_rejection_is_an_answer() -> None:
    class Gate(Echo):
        def one(self, clip: Clip) -> Annotation:
            return Annotation({"transcript": {"text": "x"}}, Rejection("too_loud", 3.0))

    annotator = Gate()
    (answer,) = annotator.run([clip("a")])
    assert answer == Annotation({"transcript": {"text": "x"}}, Rejection("too_loud", 3.0))
    assert annotator.meter.failed == 0


def test_no_clips() -> None:
    annotator = Echo()
    assert annotator.run([]) == []
    assert annotator.batches == []
    assert (annotator.meter.clips, annotator.meter.audio_s, annotator.meter.failed) == (0, 0.0, 0)


def test_the_meter_adds_up() -> None:
    annotator = Picky()
    annotator.run([clip("a", 1.5), clip("bad", 0.5)])
    annotator.run([clip("b", 2.0)])
    assert (annotator.meter.clips, annotator.meter.audio_s, annotator.meter.failed) == (3, 4.0, 1)
    assert annotator.meter.busy_s > 0


def test_an_unknown_option_is_refused() -> None:
    class Tuned(Echo):
        class Options(Options):
            size: int = 1

        def __init__(self, options: dict[str, object]) -> None:
            Annotator.__init__(self, options)

    assert Tuned({"size": 3}).options.model_dump() == {"size": 3}
    for wrong in ({"sise": 3}, {"size": "three"}):
        with pytest.raises(ValidationError, match=next(iter(wrong))):
            Tuned(wrong)


def test_a_vote_names_its_voter_and_the_most_probable_emotion() -> None:
    row = vote(Echo(), "acoustic", {"angry": 0.2, "happy": np.float32(0.5), "sad": 0.3})
    assert row == {
        "voter": "echo",
        "version": "1",
        "modality": "acoustic",
        "emotion": "happy",
        "confidence": 0.5,
        "scores": [
            {"emotion": "angry", "score": 0.2},
            {"emotion": "happy", "score": 0.5},
            {"emotion": "sad", "score": 0.3},
        ],
    }
    assert type(row["confidence"]) is float and all(type(score["score"]) is float for score in row["scores"])


def test_equal_probabilities_go_to_the_first() -> None:
    assert vote(Echo(), "text", {"sad": 0.5, "angry": 0.5})["emotion"] == "sad"
