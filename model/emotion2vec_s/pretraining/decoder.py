"""The decoder of data2vec 2.0: convolutions that fill in, from what was seen around them, the frames that were not."""

import itertools

import torch.nn.functional as F
from torch import Tensor, nn

from model.emotion2vec_s.configuration import Emotion2VecSConfig


class Decoder(nn.Module):
    """Grouped convolutions over time, each with a layer norm without weights and GELU, added to its input where both are as wide.

    Source: ``Decoder1d`` of data2vec 2.0, whose names its weights have.
    """

    def __init__(self, config: Emotion2VecSConfig) -> None:
        super().__init__()
        widths = [config.hidden_size, *[config.decoder_dim] * config.decoder_layers]
        kernel = config.decoder_kernel
        self.blocks = nn.Sequential(
            *[
                nn.Sequential(nn.Conv1d(before, after, kernel, padding=kernel // 2, groups=config.decoder_groups))
                for before, after in itertools.pairwise(widths)
            ]
        )
        self.proj = nn.Linear(widths[-1], config.hidden_size)

    def forward(self, x: Tensor, present: Tensor, rows: Tensor) -> Tensor:
        """Predictions of some of the frames.

        Parameters
        ----------
        x : (M, T, D), zero at padding
        present : (M, T) true where there is a frame
        rows : (F,) the frames to predict, as rows of (M * T)

        Returns
        -------
        (F, D)
        """
        length = x.shape[1]
        padding = ~present[..., None]
        for block in self.blocks:
            found = block(x.transpose(1, 2))[..., :length].transpose(1, 2)
            found = F.gelu(F.layer_norm(found, found.shape[-1:])).masked_fill(padding, 0)
            x = found + x if found.shape == x.shape else found
        return self.proj(x.flatten(0, 1)[rows])
