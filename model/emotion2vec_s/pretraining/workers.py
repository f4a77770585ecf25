"""Sums and gathers over all data-parallel workers that gradients pass through.

Every worker computes the same loss from what these give, and then the gradients of the weights are averaged over the workers, as
DistributedDataParallel does. Under these two conditions the gradient is that of one process with the whole batch, and none of it
has to be sent: what reaches a worker's own share is the same on every worker, so the sum over the W workers, which is the true
gradient of a sum or gather, is W times what reaches it here.

Without a process group there is one worker, and both give back what they got.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def workers() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def total(x: Tensor) -> Tensor:
    """Sum over all workers, of the same shape on each; same shape."""
    return x if workers() == 1 else _Total.apply(x)


def gathered(x: Tensor, fill: float = 0) -> Tensor:
    """Rows of all workers in the order of their ranks.

    Parameters
    ----------
    x : (n, ...) with an n that may differ between workers
    fill : value of the rows that shorter shares are padded with

    Returns
    -------
    (W * the largest n, ...)
    """
    if workers() == 1:
        return x
    longest = torch.tensor(len(x), device=x.device)
    dist.all_reduce(longest, dist.ReduceOp.MAX)
    padding = x.new_full((int(longest) - len(x), *x.shape[1:]), fill)
    return _Gathered.apply(torch.cat([x, padding]))


class _Total(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        x = x.clone()
        dist.all_reduce(x)
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0] * workers()


class _Gathered(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.rows = len(x)
        shares = [torch.empty_like(x) for _ in range(workers())]
        dist.all_gather(shares, x.contiguous())
        return torch.cat(shares)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        first = dist.get_rank() * ctx.rows
        return gradients[0][first : first + ctx.rows] * workers()
