"""From waveforms to frames: seven convolutions, each followed by a layer norm over its channels and GELU.

Nothing here looks across time further than a frame's own window, so padding cannot leak. Channels lie side by side in memory
throughout, as the layer norms need them; and the clips of a batch, each padded to whole frames, follow each other as one signal.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.emotion2vec_s.configuration import Emotion2VecSConfig
from model.emotion2vec_s.products import as_image, as_rows

BLOCK_FRAMES = 400
"""Frames made at once in inference, so that the wide first layers stay near the processor."""


class WaveformEncoder(nn.Module):
    """(samples) → (frames, channels)."""

    def __init__(self, config: Emotion2VecSConfig) -> None:
        super().__init__()
        self.hop, self.window = config.hop, config.window
        layers, inputs = [], 1
        for channels, kernel, stride in config.conv_layers:
            # Places 1 and 3 of the released network hold dropout 0 and GELU, which have no weights.
            norm = nn.Sequential(nn.Identity(), nn.LayerNorm(channels))
            layers.append(nn.Sequential(nn.Conv1d(inputs, channels, kernel, stride, bias=False), nn.Identity(), norm))
            inputs = channels
        self.conv_layers = nn.ModuleList(layers)

    def forward(self, waveforms: Tensor) -> Tensor:
        """Frames of a padded batch.

        Parameters
        ----------
        waveforms : (B, N), 16 kHz

        Returns
        -------
        (B, ceil(N / hop), channels); of a clip of n samples the first (n - window) // hop + 1 are its frames, and the rest,
        one or two of which straddle its end, mean nothing
        """
        batch, samples = waveforms.shape
        frames = -(-samples // self.hop)
        # Every clip begins at a whole frame of the long signal, and the last one's window ends inside it.
        signal = F.pad(waveforms, (0, frames * self.hop - samples)).flatten()
        signal = F.pad(signal, (0, self.window - self.hop))
        if torch.is_grad_enabled():
            found = self._encode(signal)
        else:
            lap = self.window - self.hop
            found = torch.cat(
                [
                    self._encode(signal[first * self.hop : (first + BLOCK_FRAMES) * self.hop + lap])
                    for first in range(0, batch * frames, BLOCK_FRAMES)
                ]
            )
        return found.view(batch, frames, -1)

    def _encode(self, signal: Tensor) -> Tensor:
        x = signal[:, None]
        for layer in self.conv_layers:
            convolution, norm = layer[0], layer[2][1]  # type: ignore[index]
            x = convolve(x, convolution.weight, convolution.stride[0])
            x = F.gelu(F.layer_norm(x, norm.normalized_shape, norm.weight, norm.bias, norm.eps))
        return x


def convolve(x: Tensor, weight: Tensor, stride: int) -> Tensor:
    """Convolution over time.

    Parameters
    ----------
    x : (T, C)
    weight : (D, C, K)

    Returns
    -------
    ((T - K) // stride + 1, D)
    """
    if x.shape[1] == 1:  # a product of matrices is many times faster than convolutions of one channel
        return x.squeeze(1).unfold(0, weight.shape[2], stride) @ weight.squeeze(1).t()
    return as_rows(F.conv2d(as_image(x), weight[:, :, None], stride=(1, stride)))
