"""What a training draws from: clips with their lengths and classes, and what was left out and why."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from manifests.emotions import CLASSES
from manifests.errors import InputError
from manifests.waveform import SAMPLE_RATE_HZ
from model.emotion2vec_s.pretraining.losses import UNLABELLED
from model.emotion2vec_s.training.configuration import TrainingConfig
from model.emotion2vec_s.training.sampler import Sampler
from model.speech import Speech, SpeechClip, load_waveform, measured
from model.speech.clip import Progress


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """Clips to train on, in the order of the input.

    ``labels`` (n,) int64 are indices into ``CLASSES``, or UNLABELLED; ``full_samples`` (n,) int64 is how long each clip is at
    16 kHz, and ``samples`` (n,) how much of it a batch takes. ``left_out`` counts clips that are not here, by reason.
    """

    clips: Sequence[SpeechClip]
    labels: np.ndarray
    full_samples: np.ndarray
    samples: np.ndarray
    left_out: Counter[str]
    inputs: Sequence[str]  # as the user named them

    @property
    def hours(self) -> float:
        return float(self.full_samples.sum()) / SAMPLE_RATE_HZ / 3600

    @property
    def classes(self) -> dict[str, int]:
        """Labelled clips by emotion."""
        found = np.bincount(self.labels[self.labels != UNLABELLED], minlength=len(CLASSES))
        return {str(emotion): int(count) for emotion, count in zip(CLASSES, found, strict=True)}

    def sampler(self, config: TrainingConfig) -> Sampler:
        part_s = config.data.batch_s / config.accumulation
        return Sampler(self.samples, self.full_samples, self.labels, config.data, part_s, config.seed)

    def load(self, clip: int, begin: int) -> np.ndarray:
        """(n,) float32 at 16 kHz: what a batch takes of a clip.

        Raises
        ------
        InputError : it cannot be decoded, or is far shorter than the input says
        """
        waveform = load_waveform(self.clips[clip])
        taken = waveform[begin : begin + int(self.samples[clip])]
        # A header or a list may be wrong by a little: encoders pad.
        if len(taken) < self.samples[clip] // 2:
            raise InputError(
                f"{self.clips[clip].id} has {len(waveform) / SAMPLE_RATE_HZ:.2f} s of audio, and the input says "
                f"{self.full_samples[clip] / SAMPLE_RATE_HZ:.2f} s. Correct it, or keep the clip out with --exclude"
            )
        return taken.copy() if len(taken) < len(waveform) else taken  # or the whole recording would stay in memory

    def fingerprint(self) -> str:
        """Changes where a clip, its length or its class does, or their order."""
        digest = hashlib.sha256()
        for clip, label, samples in zip(self.clips, self.labels.tolist(), self.full_samples.tolist(), strict=True):
            digest.update(f"{clip.id}\t{label}\t{samples}\n".encode())
        return digest.hexdigest()


def make_training_set(
    speech: Speech, inputs: Sequence[str], config: TrainingConfig, progress: Progress = lambda done, total: None
) -> TrainingSet:
    """Take the clips of an input that are long enough. Those of a class that is none of the seven count as unlabelled.

    Raises
    ------
    InputError : no clip is left, or the category loss counts and none is labelled
    """
    classes = {str(emotion): index for index, emotion in enumerate(CLASSES)}
    left_out = Counter(speech.left_out)
    found: list[tuple[SpeechClip, int, int]] = []
    for clip in measured([*speech.clips, *speech.others], progress):
        assert clip.duration_s is not None, "they were measured"
        if clip.duration_s < config.data.min_duration_s:
            left_out["too_short"] += 1
        else:
            found.append((clip, classes.get(clip.emotion or "", UNLABELLED), int(clip.duration_s * SAMPLE_RATE_HZ)))
    if not found:
        raise InputError(
            f"No clip is {config.data.min_duration_s} s or longer. Lower data.min_duration_s, or give more speech"
        )
    labels = np.array([label for _, label, _ in found], np.int64)
    if config.pretraining.category_weight and (labels == UNLABELLED).all():
        raise InputError(
            f"None of {len(found):,} clips has an emotion. Give labels with --truth FILE, a curated run, or --machine-labels; "
            "or train without the category loss: --set pretraining.category_weight=0"
        )
    full = np.array([samples for _, _, samples in found], np.int64)
    taken = np.minimum(full, int(config.data.max_duration_s * SAMPLE_RATE_HZ))
    return TrainingSet([clip for clip, _, _ in found], labels, full, taken, left_out, inputs)
