"""The transformer block of data2vec 2.0 (layer norm behind each part), and the distance bias of its attention."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model.emotion2vec_s.configuration import Emotion2VecSConfig
from model.emotion2vec_s.products import Linear


class Attention(nn.Module):
    def __init__(self, config: Emotion2VecSConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.dropout = config.attention_dropout
        self.qkv = Linear(config.hidden_size, 3 * config.hidden_size)
        self.proj = Linear(config.hidden_size, config.hidden_size)
        self.proj_drop = nn.Dropout(config.encoder_dropout)

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        batch, length, width = x.shape
        query, key, value = self.qkv(x).view(batch, length, 3, self.num_heads, -1).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(
            query, key, value, bias, dropout_p=self.dropout if self.training else 0.0
        )
        return self.proj_drop(self.proj(mixed.transpose(1, 2).reshape(batch, length, width)))


class FeedForward(nn.Module):
    def __init__(self, config: Emotion2VecSConfig) -> None:
        super().__init__()
        inner = int(config.hidden_size * config.mlp_ratio)
        self.fc1 = Linear(config.hidden_size, inner)
        self.fc2 = Linear(inner, config.hidden_size)
        self.drop1 = nn.Dropout(config.activation_dropout)
        self.drop2 = nn.Dropout(config.encoder_dropout)

    def forward(self, x: Tensor) -> Tensor:
        return self.drop2(self.fc2(self.drop1(F.gelu(self.fc1(x)))))


class Block(nn.Module):
    """Attention and a feed-forward layer, each added to its input and then normed."""

    def __init__(self, config: Emotion2VecSConfig) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(config.hidden_size, eps=config.norm_eps)
        self.attn = Attention(config)
        self.norm2 = nn.LayerNorm(config.hidden_size, eps=config.norm_eps)
        self.mlp = FeedForward(config)
        self.post_mlp_dropout = nn.Dropout(config.post_mlp_dropout)

    def forward(self, x: Tensor, bias: Tensor | None) -> tuple[Tensor, Tensor]:
        """The block's output, and that of its feed-forward layer, which the teacher's targets are made of.

        Parameters
        ----------
        x : (B, L, D)
        bias : (B or 1, heads or 1, L, L), added to the logits of attention
        """
        x = self.norm1(x + self.attn(x, bias))
        inner = self.mlp(x)
        return self.norm2(x + self.post_mlp_dropout(inner)), inner


def alibi_slopes(heads: int) -> list[float]:
    """How fast the attention of each head falls with distance; (heads,).

    The slopes of ALiBi (Press et al. 2022); where the number of heads is no power of two, those of the next smaller power and
    then every second one of the next larger.
    """
    power = 2 ** math.floor(math.log2(heads))
    slopes = [2 ** (-8 * (head + 1) / power) for head in range(power)]
    return slopes if power == heads else slopes + alibi_slopes(2 * power)[0::2][: heads - power]


def alibi(positions: Tensor, slopes: Tensor) -> Tensor:
    """Distance bias, the same in both directions.

    Parameters
    ----------
    positions : (L,) or (B, L) of the frames in their clip
    slopes : (heads,)

    Returns
    -------
    (heads, L, L) or (B, heads, L, L)
    """
    distance = (positions[..., :, None] - positions[..., None, :]).abs()
    return -slopes[:, None, None] * distance.unsqueeze(-3).to(slopes.dtype)


def attention_bias(
    positions: Tensor, slopes: Tensor | None, present: Tensor | None, extra_tokens: int, dtype: torch.dtype
) -> Tensor | None:
    """What is added to the logits of attention: the distance bias between frames, and nothing of what is padding.

    Parameters
    ----------
    positions : (L,) or (B, L) of the frames in their clip
    slopes : (heads,) with the learned scale in them; None without ALiBi
    present : (B, L) true where there is a frame; None where there is no padding
    extra_tokens : in front of the frames; they have no place, and everything may look at them

    Returns
    -------
    (B or 1, heads or 1, extra + L, extra + L)
    """
    if slopes is None and present is None:
        return None
    length = positions.shape[-1] + extra_tokens
    if slopes is None:
        bias = torch.zeros(1, 1, 1, length, dtype=dtype, device=positions.device)
    else:
        bias = alibi(positions, slopes)
        bias = F.pad(bias if bias.ndim == 4 else bias[None], (extra_tokens, 0, extra_tokens, 0)).to(dtype)
    if present is None:
        return bias
    return bias.masked_fill(~F.pad(present, (extra_tokens, 0), value=True)[:, None, None, :], float("-inf"))
