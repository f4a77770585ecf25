"""What the seed classifier hears: levels, periodicity, and their statistics over a clip.

Levels are relative to the clip's own, so a change of gain changes nothing. Whatever lies behind the end of a clip is
masked at every step, so its neighbours in a batch do not matter.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

N_FFT, WINDOW, HOP = 1024, 640, 256  # 64 ms transform of a 40 ms window every 16 ms: harmonics of most voices resolve
N_MELS, N_LAGS, LAGS_PER_OCTAVE = 64, 48, 14.4
LOWEST_F0_HZ = 65.0
N_CEPSTRA = 20
RATES_HZ = (2.0, 4.0, 8.0, 16.0)  # phrases, syllables, fast syllables, tremor
N_STATISTICS = 1018


def _mel_filters(sample_rate: int) -> np.ndarray:
    """(bins, mels) triangles from 50 Hz to 7.6 kHz, each of unit sum."""
    bins_hz = np.linspace(0, sample_rate / 2, N_FFT // 2 + 1)[:, None]
    low_mel, high_mel = 2595 * np.log10(1 + np.array([50.0, 7600.0]) / 700)
    edges_mel = np.linspace(low_mel, high_mel, N_MELS + 2)
    edges_hz = 700 * (10 ** (edges_mel / 2595) - 1)
    rise = (bins_hz - edges_hz[:-2]) / np.diff(edges_hz)[:-1]
    fall = (edges_hz[2:] - bins_hz) / np.diff(edges_hz)[1:]
    triangles = np.maximum(0, np.minimum(rise, fall))
    return triangles / triangles.sum(0)


class Spectra(nn.Module):
    """Waveforms to log-mel levels and autocorrelations."""

    mel: Tensor
    window: Tensor
    lags: Tensor

    def __init__(self, sample_rate: int) -> None:
        super().__init__()
        window = np.hanning(WINDOW + 1)[:-1]
        # The window's own autocorrelation is divided out, else long periods (low voices) would look less periodic.
        taper = np.correlate(window, window, "full")[WINDOW - 1 :]
        taper /= taper[0]
        lags = np.zeros((N_FFT // 2 + 1, N_LAGS))
        for column in range(N_LAGS):
            lag = sample_rate / (LOWEST_F0_HZ * 2 ** (column / LAGS_PER_OCTAVE))
            low = int(lag)
            for at, weight in ((low, low + 1 - lag), (low + 1, lag - low)):
                lags[at, column] = weight / taper[at]
        used = int(sample_rate / LOWEST_F0_HZ) + 2
        self.register_buffer("mel", torch.tensor(_mel_filters(sample_rate), dtype=torch.float32))
        self.register_buffer("window", torch.tensor(window, dtype=torch.float32))
        self.register_buffer("lags", torch.tensor(lags[:used], dtype=torch.float32))

    def forward(self, waveforms: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Levels and periodicity, frame by frame.

        Parameters
        ----------
        waveforms : (batch, samples) float32; samples beyond a clip's length are ignored
        lengths : (batch,) int64, in samples, at least 1

        Returns
        -------
        levels_db : (batch, frames, 64) relative to the clip's power-weighted mean power, floor -60, -60 where padded
        periodicity : (batch, frames, 48) autocorrelation at the periods of 65 to 624 Hz, 0 where padded
        n_frames : (batch,) int64, ``ceil(samples / 256)``
        """
        n_frames = (lengths - 1).div(HOP, rounding_mode="floor") + 1
        inside = torch.arange(waveforms.shape[1], device=lengths.device) < lengths[:, None]
        frames = int(n_frames.max())
        padded = F.pad(waveforms * inside, (WINDOW // 2, max(0, (frames - 1) * HOP + WINDOW - waveforms.shape[1])))
        power = torch.fft.rfft(padded.unfold(1, WINDOW, HOP)[:, :frames] * self.window, n=N_FFT).abs() ** 2
        keep = frame_mask(n_frames, frames)
        mels = power @ self.mel * keep[..., None]
        # The mean of frame powers weighted by themselves: silence around the speech does not move it.
        frame_power = mels.mean(2)
        reference = (frame_power**2).sum(1) / (frame_power.sum(1) + 1e-9) + 1e-9
        levels_db = 10 * torch.log10(mels / reference[:, None, None] + 1e-6)
        correlation = torch.fft.irfft(power, n=N_FFT)[..., : self.lags.shape[0]]
        energy = correlation[..., :1] + 1e-3 * reference[:, None, None]
        return levels_db, (correlation / energy) @ self.lags * keep[..., None], n_frames


def frame_mask(n_frames: Tensor, frames: int) -> Tensor:
    """(batch, frames) float32: 1 inside each clip, 0 behind its end."""
    return (torch.arange(frames, device=n_frames.device) < n_frames[:, None]).float()


def frame_levels_db(levels_db: Tensor) -> Tensor:
    """(..., frames) mean level of all bands, in dB relative to the clip's own."""
    return 10 * torch.log10(torch.pow(10, levels_db / 10).mean(-1))


def _mean(x: Tensor, weights: Tensor) -> Tensor:
    """(batch, dims) weighted mean over the frames of (batch, frames, dims)."""
    return torch.einsum("btd,bt->bd", x, weights) / (weights.sum(1, keepdim=True) + 1e-3)


def _moments(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weighted mean, standard deviation and skewness over the frames."""
    mean = _mean(x, weights)
    centred = x - mean[:, None]
    std = (_mean(centred**2, weights) + 1e-3).sqrt()
    return mean, std, _mean(centred**3, weights) / std**3


class Statistics(nn.Module):
    """One vector per clip: what the spectrum, the pitch and the energy do while somebody speaks.

    Frames weigh by how much speech they hold (soft thresholds on level and periodicity), so edge silence hardly counts.
    """

    gabor: Tensor
    cosines: Tensor

    def __init__(self) -> None:
        super().__init__()
        t = torch.arange(-20, 21, dtype=torch.float64) * HOP / 16000
        taps = []
        for rate in RATES_HZ:
            bell = torch.exp(-0.5 * (t / min(0.5 / rate, 0.13)) ** 2)
            even, odd = bell * torch.cos(2 * math.pi * rate * t), bell * torch.sin(2 * math.pi * rate * t)
            even = even - bell * even.sum() / bell.sum()
            taps += [even / even.norm(), odd / odd.norm()]
        band = torch.arange(N_MELS, dtype=torch.float64)[:, None] + 0.5
        cosines = torch.cos(math.pi / N_MELS * band * torch.arange(1, N_CEPSTRA + 1)) * math.sqrt(2 / N_MELS) / 10
        self.register_buffer("gabor", torch.stack(taps).float()[:, None])
        self.register_buffer("cosines", cosines.float())

    def forward(self, levels_db: Tensor, periodicity: Tensor, n_frames: Tensor) -> Tensor:
        """(batch, 1018) statistics of the output of ``Spectra``."""
        batch, frames, _ = levels_db.shape
        keep = frame_mask(n_frames, frames)
        level = frame_levels_db(levels_db)
        spectrum = levels_db / 10
        match = torch.softmax(periodicity * 25, 2)
        voicing = (match * periodicity).sum(2)
        octave = (match * torch.arange(N_LAGS, device=match.device)).sum(2) / LAGS_PER_OCTAVE
        speech = torch.sigmoid((level + 32) / 4) * keep
        loud = torch.sigmoid((level + 8) / 2) * keep
        voiced = torch.sigmoid((voicing - 0.45) * 12)
        speech_voiced, amount = speech * voiced, speech.sum(1, keepdim=True)
        cepstra = levels_db @ self.cosines
        contour = torch.stack([octave, voicing, level / 10], 2)

        out = [*_moments(spectrum, speech)[:2], _mean(spectrum, loud), _mean(spectrum, speech_voiced)]
        out += [_mean(spectrum, speech * (1 - voiced))]
        for lag in (1, 3, 8):
            both = (speech[:, lag:] * speech[:, :-lag]).sqrt()
            out.append(_mean((spectrum[:, lag:] - spectrum[:, :-lag]).abs(), both))
        out += [*_moments(cepstra, speech)[1:], _moments(cepstra, speech_voiced)[1]]
        both = (speech[:, 2:] * speech[:, :-2]).sqrt()
        out.append(_mean((cepstra[:, 2:] - cepstra[:, :-2]).abs(), both))
        out += [*_moments(contour, speech_voiced), *_moments(contour, speech)]
        for lag in (1, 2, 5, 12):
            change = contour[:, lag:] - contour[:, :-lag]
            both = (speech_voiced[:, lag:] * speech_voiced[:, :-lag]).sqrt()
            out += [_mean(change.abs(), both), *_moments(change, both)[:2]]
        out += [_mean(match, speech_voiced).sqrt(), _mean(periodicity, speech), _moments(periodicity, speech_voiced)[1]]
        out.append(_mean(self._histogram(level, -35, 8, 12, 4), speech))
        share = [speech_voiced.sum(1, keepdim=True), loud.sum(1, keepdim=True)]
        out += [torch.log(amount + 1), *(s / (amount + 1e-3) for s in share)]
        relative = octave - _mean(octave[..., None], speech_voiced)
        out.append(_mean(self._histogram(relative, -1.2, 1.2, 13, 0.15), speech_voiced))

        bands = F.avg_pool1d(spectrum, 4)
        progress = torch.cumsum(speech, 1) / (amount + 1e-3)
        quarters = []
        for q in range(4):
            within = torch.sigmoid((progress - q / 4) * 40) * torch.sigmoid(((q + 1) / 4 - progress) * 40)
            rest = torch.cat([contour[..., 1:], bands], 2)
            quarters.append(
                torch.cat([_mean(relative[..., None], within * speech_voiced), _mean(rest, within * speech)], 1)
            )
        middle = torch.stack(quarters).mean(0)
        out += [quarter - middle for quarter in quarters]

        slow = torch.stack([level / 10, voicing * 2, relative * voiced], 2)
        slow = torch.cat([slow, bands, cepstra[..., :12]], 2) * speech[..., None]
        channels = slow.shape[2]
        swing = F.conv1d(slow.transpose(1, 2).reshape(batch * channels, 1, frames), self.gabor, padding=20)
        swing = (swing.view(batch, channels, len(RATES_HZ), 2, frames).pow(2).sum(3) + 1e-4).sqrt()
        swing = torch.einsum("bcrt,bt->bcr", swing, speech) / (amount[..., None] + 1e-3)
        out.append(torch.log(swing + 0.02).flatten(1))
        return torch.cat(out, 1)

    @staticmethod
    def _histogram(x: Tensor, low: float, high: float, bins: int, width: float) -> Tensor:
        """(batch, frames, bins) soft membership of each frame."""
        centres = torch.linspace(low, high, bins, device=x.device)
        return torch.softmax(-(((x[..., None] - centres) / width) ** 2), 2)
