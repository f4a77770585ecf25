"""What the seed classifier is trained on: labelled clips from Emilia shards, and augmented views of them.

Every clip is turned into a few views (speed, reverberation, noise) once, because spectra cost more than a training step.
"""

import math
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr
import torch
from torch import Tensor

from manifests.emotions import CLASSES
from manifests.errors import InputError
from manifests.truth import read_truth
from manifests.waveform import SAMPLE_RATE_HZ, UndecodableAudio, decode, from_pcm16, to_pcm16
from model.seed.features import HOP, N_LAGS, N_MELS, N_STATISTICS, Spectra, Statistics, frame_levels_db
from model.seed.network import ConvolutionExpert

KEPT_FRAMES, LEAD_FRAMES = 220, 30  # kept per view, and of these before the speech
SPEECH_DB = -40.0  # frames above this level, relative to the clip's own, lie within the speech

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LabelledClip:
    """One clip with what the experts of its data set say: ``pcm`` is (samples,) int16 mono at 16 kHz."""

    id: str
    pcm: np.ndarray
    label: int
    fold: int | None

    @property
    def samples(self) -> np.ndarray:
        """(samples,) float32 in [-1, 1], as labelling jobs feed it."""
        return from_pcm16(self.pcm)


@dataclass(frozen=True, slots=True)
class Views:
    """Augmented spectra of all clips: (views, clips, ...); the first view is the clip as it is."""

    inputs: Tensor  # (views, clips, 220, 112) float16, the spectra as a convolution expert takes them
    first: Tensor  # (views, clips) int64, frame where the speech begins
    last: Tensor  # (views, clips) int64, frame behind its end
    statistics: Tensor  # (views, clips, 1018) float32


def read_labelled_clips(shards: Sequence[str], truth: str) -> list[LabelledClip]:
    """Clips of Emilia tars that the truth gives one of the seven classes; clips of other classes are left out.

    Parameters
    ----------
    shards : paths of tars of ``KEY.mp3`` (or any format libsndfile reads) and ``KEY.json``
    truth : path of a JSON Lines file with ``id``, ``emotion`` and, for cross-validation, ``emobox_test_fold``

    Raises
    ------
    InputError : a file cannot be read, a line of the truth is unusable, or no clip is left
    """
    labels = {name: (CLASSES.index(known.emotion), known.fold) for name, known in read_truth(Path(truth)).clips.items()}
    clips = []
    for shard in shards:
        try:
            with tarfile.open(shard) as tar:
                for member in tar:
                    name = Path(member.name)
                    if name.suffix == ".json" or name.stem not in labels or not (file := tar.extractfile(member)):
                        continue
                    pcm = np.frombuffer(to_pcm16(decode(file.read())), dtype="<i2")
                    clips.append(LabelledClip(name.stem, pcm, *labels[name.stem]))
        except (OSError, tarfile.TarError, UndecodableAudio) as error:
            raise InputError(f"{shard} cannot be read: {error}") from error
    if not clips:
        raise InputError(f"no clip of {len(shards)} shards has one of the seven emotions in {truth}")
    return clips


def augment(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Change speed and pitch by up to 16 %, and sometimes add reverberation and coloured noise."""
    x = soxr.resample(samples, SAMPLE_RATE_HZ, int(SAMPLE_RATE_HZ * rng.uniform(0.86, 1.16)), quality="MQ")
    size = 1 << (len(x) + SAMPLE_RATE_HZ // 2).bit_length()
    if rng.random() < 0.3:
        n = int(SAMPLE_RATE_HZ * rng.uniform(0.1, 0.4))
        tail = rng.standard_normal(n) * np.exp(-6.9 * np.arange(n) / n)
        tail *= rng.uniform(0.1, 0.5) / np.linalg.norm(tail)
        tail[0] = 1
        x = np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(tail, size))[: len(x)]
    if rng.random() < 0.6:
        power = np.sort((x[: len(x) // HOP * HOP].reshape(-1, HOP) ** 2).mean(1))[-20:]
        colour = (np.arange(size // 2 + 1) / size + 0.01) ** -rng.uniform(0, 1)
        noise = np.fft.irfft(np.fft.rfft(rng.standard_normal(size)) * colour)[: len(x)]
        loudest = math.sqrt(power.mean()) if len(power) else 0.0
        x = x + noise / noise.std() * loudest * 10 ** (-rng.uniform(15, 45) / 20)
    return x.astype(np.float32)


def speech_span(levels_db: Tensor) -> tuple[int, int]:
    """First frame of speech and the frame behind its last one, for (frames, 64) levels."""
    loud = (frame_levels_db(levels_db) > SPEECH_DB).nonzero()
    return (int(loud.min()), int(loud.max()) + 1) if len(loud) else (0, len(levels_db))


def random_filter(rng: np.random.Generator) -> Tensor:
    """(64,) smooth gain in dB over the bands: a tilt and a wave."""
    q = torch.linspace(-1, 1, N_MELS)
    phase = math.pi * q * rng.uniform(0.5, 3) + rng.uniform(0, 2 * math.pi)
    return rng.uniform(-3, 3) * q + rng.uniform(-2, 2) * torch.cos(phase)


@torch.no_grad()
def make_views(clips: Sequence[LabelledClip], n_views: int, seed: int, on_progress: Progress) -> Views:
    """Spectra and statistics of ``n_views`` versions of every clip."""
    spectra, describe = Spectra(SAMPLE_RATE_HZ), Statistics()
    inputs = torch.zeros(n_views, len(clips), KEPT_FRAMES, N_MELS + N_LAGS, dtype=torch.float16)
    spans = torch.zeros(2, n_views, len(clips), dtype=torch.int64)
    statistics = torch.zeros(n_views, len(clips), N_STATISTICS)
    for v in range(n_views):
        on_progress(f"view {v + 1} of {n_views}")
        rng = np.random.default_rng([seed, v])
        for i, clip in enumerate(clips):
            x = torch.from_numpy(augment(clip.samples, rng) if v else clip.samples)[None]
            levels_db, periodicity, n_frames = spectra(x, torch.tensor([x.shape[1]]))
            first, last = speech_span(levels_db[0])
            begin = max(0, first - LEAD_FRAMES)
            kept = ConvolutionExpert.inputs(levels_db, periodicity)[0, begin : begin + KEPT_FRAMES]
            inputs[v, i, : len(kept)] = kept.half()
            spans[:, v, i] = torch.tensor([first - begin, min(last - begin, len(kept))])
            if v:
                levels_db = (levels_db + random_filter(rng)).clamp_min(-60)
            statistics[v, i] = describe(levels_db, periodicity, n_frames)[0]
    return Views(inputs, spans[0], spans[1], statistics)
