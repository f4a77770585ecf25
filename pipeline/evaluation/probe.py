"""A probe on the features of Emotion2Vec-S, or on those in the features table of a run."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np

from annotators.device import chosen_device
from manifests.errors import ConfigError, InputError
from manifests.run_folder import RunFolder
from manifests.scoring import Answer
from model.emotion2vec_s import Emotion2VecS, UtteranceMode
from model.emotion2vec_s.loading import load_emotion2vec_s, network_version
from model.model_folder import model_folder
from model.probe import extract, probe, table_features
from model.probe.heads import Head
from model.speech import SpeechClip, read_speech
from model.speech.clip import Progress
from pipeline.evaluation.evaluation import Evaluation, Folds, evaluation, labelled, not_scored

Bar = Callable[[str], AbstractContextManager[Progress]]
"""Opens a bar under a title: ``manifests.command_line.bar``."""


def evaluate_probe(
    inputs: Sequence[str],
    truth: Path | None,
    *,
    model: str | None,
    table: str | None,
    mode: UtteranceMode | None,
    head: Head,
    seed: int,
    device: str,
    bar: Bar,
) -> Evaluation:
    """Train and test a small head on frozen features of the clips whose emotion is known.

    Parameters
    ----------
    inputs, truth : as for ``model.speech.read_speech``
    model : folder, hub name or URL of a converted network; or else
    table : name of an annotator that wrote features into the run that ``inputs`` names
    mode : of the network's features; None for ``mean``
    seed : of folds where none are given, and of the head

    Raises
    ------
    ConfigError : neither or both of ``model`` and ``table``, or a mode of a table
    InputError : the input cannot be read, no emotion is known, some clips have a fold and others none
    """
    if (model is None) == (table is None):
        raise ConfigError(
            "Give either --model, a converted network, or --table, an annotator whose features a run holds"
        )
    if table is not None and mode is not None:
        raise ConfigError(
            "--features says what a network is asked for; a table holds what was asked for when the run was labelled"
        )
    if table is not None and (len(inputs) != 1 or not RunFolder(inputs[0]).exists()):
        raise ConfigError("--table reads the features of one run: give its folder as the only input")
    with bar("reading the input") as progress:
        speech = read_speech(inputs, truth, progress=progress)
    clips = labelled(speech, inputs)
    folds = _folds(clips)
    features, what = _features(clips, inputs[0], model, table, mode or "mean", device, bar)
    speakers = [_speaker(clip) for clip in clips]
    with bar("training the heads") as progress:
        found = probe(features, [str(clip.emotion) for clip in clips], speakers, folds, head, seed, progress)
    answers = [
        Answer(clip.id, str(clip.emotion), predicted, clip.speaker, clip.source_id, clip.language)
        for clip, predicted in zip(clips, found.predicted, strict=True)
    ]
    return evaluation(
        f"probe: {head} on {what}",
        answers,
        other_classes=speech.other_classes,
        not_scored=not_scored(speech),
        folds=Folds(found.uar, found.uar_by_fold),
        notes=(*found.notes, *_anonymous(clips)),
    )


def _features(
    clips: list[SpeechClip],
    run: str,
    model: str | None,
    table: str | None,
    mode: UtteranceMode,
    device: str,
    bar: Bar,
) -> tuple[np.ndarray, str]:
    """Of all clips, and in words what they are."""
    if table is not None:
        features, kinds = table_features(RunFolder(run), table, clips)
        return features, f"{', '.join(kinds)} of {table} in {run}"
    folder = model_folder(str(model))
    network: Emotion2VecS = load_emotion2vec_s(str(folder), device=chosen_device("--device", device))
    with bar("extracting features") as progress:
        return extract(network, clips, mode, progress=progress), f"{mode} of {model} ({network_version(folder)})"


def _folds(clips: list[SpeechClip]) -> list[int] | None:
    folds = [clip.fold for clip in clips if clip.fold is not None]
    if folds and len(folds) < len(clips):
        without = next(clip.id for clip in clips if clip.fold is None)
        raise InputError(
            f"{len(clips) - len(folds):,} of {len(clips):,} clips have no fold, such as {without}. Give every clip one, or none"
        )
    return folds or None


def _speaker(clip: SpeechClip) -> str:
    """Who must not be in training and test at once: the speaker, or else the source, or else the clip alone."""
    return f"speaker {clip.speaker}" if clip.speaker else f"source {clip.source_id}" if clip.source_id else clip.id


def _anonymous(clips: list[SpeechClip]) -> tuple[str, ...]:
    alone = sum(not clip.speaker and not clip.source_id for clip in clips)
    if not alone:
        return ()
    return (f"{alone:,} clips name neither speaker nor source: their speakers may be in training and test at once",)
