"""Matrix products, by the way that is fast where they run.

On a CPU torch gives float32 products to MKL, which on processors of other makers uses half of their vector width; oneDNN, which
torch uses for convolutions, uses all of it. So a linear layer is computed there as a convolution of width 1, about twice as fast
(``benchmarks/emotion2vec_s.py``) and equal up to rounding.
"""

import platform

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_ONEDNN_IS_FASTER = torch.backends.mkldnn.is_available() and platform.machine() in ("x86_64", "AMD64")


def as_image(x: Tensor) -> Tensor:
    """(T, C) as (1, C, 1, T) with the channels side by side in memory: the layout that convolutions are fastest in."""
    return x[None, None].permute(0, 3, 1, 2)


def as_rows(image: Tensor) -> Tensor:
    """(1, C, 1, T) back to (T, C)."""
    return image.permute(0, 2, 3, 1).reshape(image.shape[3], image.shape[1])


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``torch.nn.functional.linear``: (…, C) and (D, C) → (…, D)."""
    if x.device.type != "cpu" or x.dtype != torch.float32 or torch.is_grad_enabled() or not _ONEDNN_IS_FASTER:
        return F.linear(x, weight, bias)
    # The stride is along the axis of length 1 and changes nothing; without one torch keeps a convolution of width 1 from oneDNN
    # where it has a single thread, as in an actor.
    rows = F.conv2d(as_image(x.reshape(-1, x.shape[-1])), weight[:, :, None, None], bias, stride=(2, 1))
    return as_rows(rows).view(*x.shape[:-1], len(weight))


class Linear(nn.Linear):
    """``torch.nn.Linear`` by ``linear``."""

    def forward(self, input: Tensor) -> Tensor:
        return linear(input, self.weight, self.bias)
