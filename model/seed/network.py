"""The seed classifier: seven emotions from the sound of a clip, small enough to ship inside the package.

Two kinds of experts hear the same spectrogram and the same autocorrelogram. ``StatisticsExperts`` are small perceptrons
on a fixed list of statistics (spectrum, pitch, energy, modulations); a ``ConvolutionExpert`` is a TDNN.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel

from manifests.emotions import CLASSES
from manifests.errors import InputError
from model.seed.features import N_LAGS, N_MELS, N_STATISTICS, Spectra, Statistics, frame_mask

SHIPPED = Path(__file__).parent / "weights"
WEIGHTS = "model.safetensors"


class SeedConfig(PretrainedConfig):
    """Shape and calibration of a seed classifier.

    Parameters
    ----------
    labels : the classes, in the order of the logits
    sample_rate : rate of the input in Hz
    n_perceptrons, perceptron_width : how many perceptrons vote on the statistics, and their hidden units
    n_tdnn, tdnn_width : how many convolutional experts vote, and their channels
    calibration_temperature : divides the logits before the softmax; fitted on out-of-fold predictions
    version : version of the weights, written beside every vote
    """

    model_type = "emotrove_seed"

    def __init__(
        self,
        labels: Sequence[str] = tuple(map(str, CLASSES)),
        sample_rate: int = 16000,
        n_perceptrons: int = 4,
        perceptron_width: int = 96,
        n_tdnn: int = 2,
        tdnn_width: int = 112,
        calibration_temperature: float = 1.0,
        version: str = "1",
        **kwargs: Any,
    ) -> None:
        self.labels = list(labels)
        self.sample_rate = sample_rate
        self.n_perceptrons, self.perceptron_width = n_perceptrons, perceptron_width
        self.n_tdnn, self.tdnn_width = n_tdnn, tdnn_width
        self.calibration_temperature = calibration_temperature
        self.version = version
        super().__init__(**kwargs)


class StatisticsExperts(nn.Module):
    """Several perceptrons with one hidden layer each, computed together, on the standardised statistics."""

    mean: Tensor
    std: Tensor

    def __init__(self, n_perceptrons: int, width: int, n_labels: int, n_statistics: int = N_STATISTICS) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(n_statistics))
        self.register_buffer("std", torch.ones(n_statistics))
        self.hidden = nn.Parameter(torch.randn(n_perceptrons, n_statistics, width) / n_statistics**0.5)
        self.hidden_bias = nn.Parameter(torch.zeros(n_perceptrons, 1, width))
        self.out = nn.Parameter(torch.randn(n_perceptrons, width, n_labels) / width**0.5)
        self.out_bias = nn.Parameter(torch.zeros(n_perceptrons, 1, n_labels))

    def standardise(self, statistics: Tensor) -> Tensor:
        """Statistics in standard deviations of the training set, clipped at 4."""
        return ((statistics - self.mean) / self.std).clamp(-4, 4)

    def forward(self, standardised: Tensor) -> Tensor:
        """(perceptrons, batch, labels) logits for (perceptrons or 1, batch, statistics)."""
        x = F.dropout(standardised, 0.3, self.training)
        x = F.dropout(F.silu(x @ self.hidden + self.hidden_bias), 0.5, self.training)
        return x @ self.out + self.out_bias


class ConvolutionExpert(nn.Module):
    """TDNN at 64 ms per step, with attentive pooling of means and standard deviations (Okabe et al., 2018)."""

    def __init__(self, width: int, n_labels: int, dropout: float = 0.3) -> None:
        super().__init__()
        self.enter = nn.Conv1d(N_MELS + N_LAGS, width, 5, stride=2, padding=2)
        self.halve = nn.Conv1d(width, width, 3, stride=2, padding=1)
        self.context = nn.ModuleList([nn.Conv1d(width, width, 3, padding=d, dilation=d) for d in (1, 2, 3)])
        self.norms = nn.ModuleList([nn.BatchNorm1d(width) for _ in range(5)])
        self.attention = nn.Sequential(nn.Conv1d(width, 48, 1), nn.Tanh(), nn.Conv1d(48, width, 1))
        self.out = nn.Linear(2 * width, n_labels)
        self.dropout = dropout

    def forward(self, x: Tensor, n_frames: Tensor) -> Tensor:
        """(batch, labels) logits for (batch, frames, 112) from ``inputs``."""
        keep = frame_mask(n_frames, x.shape[1])[:, None]
        h = F.relu(self.norms[0](self.enter(x.transpose(1, 2) * keep))) * keep[:, :, ::2]
        keep = keep[:, :, ::4]
        h = F.relu(self.norms[1](self.halve(h))) * keep
        for convolution, norm in zip(self.context, self.norms[2:], strict=True):
            h = (h + F.dropout(F.relu(norm(convolution(h))), self.dropout / 2, self.training)) * keep
        weights = self.attention(h).masked_fill(keep == 0, -1e4).softmax(-1)
        mean = (weights * h).sum(-1)
        std = ((weights * (h - mean[..., None]) ** 2).sum(-1) + 1e-4).sqrt()
        return self.out(F.dropout(torch.cat([mean, std], 1), self.dropout, self.training))

    @staticmethod
    def inputs(levels_db: Tensor, periodicity: Tensor) -> Tensor:
        """Levels and periodicity side by side, each of about unit size."""
        return torch.cat([(levels_db + 25) / 15, periodicity * 2 - 0.5], -1)


class SeedClassifier(PreTrainedModel):
    """Logits of the seven classes for waveforms; see the module's text."""

    config_class = SeedConfig
    main_input_name = "waveforms"

    def __init__(self, config: SeedConfig) -> None:
        super().__init__(config)
        n_labels = len(config.labels)
        self.spectra = Spectra(config.sample_rate)
        self.statistics = Statistics()
        self.perceptrons = StatisticsExperts(config.n_perceptrons, config.perceptron_width, n_labels)
        self.tdnns = nn.ModuleList([ConvolutionExpert(config.tdnn_width, n_labels) for _ in range(config.n_tdnn)])
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        """The layers keep the initial values that they give themselves."""

    def forward(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """Log-probabilities before calibration: the two kinds of experts weigh the same.

        Parameters
        ----------
        waveforms : (batch, samples) float32 in [-1, 1], mono at ``config.sample_rate``, zero-padded
        lengths : (batch,) int64 in samples, at least 1

        Returns
        -------
        (batch, labels) float32
        """
        levels_db, periodicity, n_frames = self.spectra(waveforms, lengths)
        standardised = self.perceptrons.standardise(self.statistics(levels_db, periodicity, n_frames))
        by_statistics = self.perceptrons(standardised[None]).log_softmax(2).mean(0)
        x = ConvolutionExpert.inputs(levels_db, periodicity)
        by_convolution = torch.stack([tdnn(x, n_frames).log_softmax(1) for tdnn in self.tdnns]).mean(0)
        return (by_statistics + by_convolution) / 2

    def probabilities(self, waveforms: Tensor, lengths: Tensor) -> Tensor:
        """(batch, labels) calibrated probabilities; parameters as in ``forward``."""
        return torch.softmax(self(waveforms, lengths) / self.config.calibration_temperature, 1)

    @torch.inference_mode()
    def predict(self, clips: Sequence[np.ndarray], batch_s: float = 30.0) -> np.ndarray:
        """Calibrated probabilities of a list of clips, in its order.

        Parameters
        ----------
        clips : (samples,) float32 arrays in [-1, 1] at ``config.sample_rate``, at least one sample each
        batch_s : seconds of padded audio that go through the network at once, which bounds the memory

        Returns
        -------
        (clips, labels) float32

        Raises
        ------
        InputError : a clip is empty, not one-dimensional, or holds values that are not finite
        """
        for i, clip in enumerate(clips):
            if clip.ndim != 1 or not clip.size or not np.isfinite(clip).all():
                raise InputError(f"clip {i} of the batch is not a non-empty mono waveform of finite samples")
        self.eval()
        batches: list[list[np.ndarray]] = []
        longest = 0
        for clip in clips:
            longest = max(longest, clip.size)
            if not batches or longest * (len(batches[-1]) + 1) > batch_s * self.config.sample_rate:
                batches.append([])
                longest = clip.size
            batches[-1].append(clip)
        rows = []
        for batch in batches:
            tensors = [torch.from_numpy(np.ascontiguousarray(clip, dtype=np.float32)) for clip in batch]
            waveforms = nn.utils.rnn.pad_sequence(tensors, batch_first=True)
            rows.append(self.probabilities(waveforms, torch.tensor([len(t) for t in tensors])).numpy())
        return np.concatenate(rows) if rows else np.zeros((0, len(self.config.labels)), np.float32)


def save_seed(model: SeedClassifier, folder: Path) -> None:
    """Write ``config.json`` and ``model.safetensors``; parameters as float16, constants and statistics as they are."""
    folder.mkdir(parents=True, exist_ok=True)
    parameters = dict(model.named_parameters())
    state = {k: v.detach().half() if k in parameters else v for k, v in model.state_dict().items()}
    aside = folder / f".{WEIGHTS}.part"
    # Written by hand, because safetensors gives its own files to their owner only.
    aside.write_bytes(save({k: v.contiguous() for k, v in state.items()}, metadata={"format": "pt"}))
    model.config.architectures = [type(model).__name__]
    model.config.dtype = torch.float32  # what the stored halves are to be read as
    model.config.save_pretrained(folder)
    aside.replace(folder / WEIGHTS)


def load_seed(path: str | Path | None = None) -> SeedClassifier:
    """The classifier saved in a folder, or the shipped one; float32, in evaluation mode.

    Raises
    ------
    InputError : the folder holds no classifier, or a key of its weights is missing, unexpected or of another shape
    """
    folder = Path(path) if path is not None else SHIPPED
    try:
        config = SeedConfig.from_pretrained(str(folder), local_files_only=True)
        state = load_file(folder / WEIGHTS)
        model = SeedClassifier(config)
        model.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    except (OSError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{folder} holds no usable seed classifier: {error}") from error
    return model.eval()
