"""The teacher: the student's weights averaged over time, which sees whole clips and gives the targets."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from manifests.errors import ConfigError
from model.emotion2vec_s.blocks import attention_bias
from model.emotion2vec_s.network import LocalFeatures
from model.emotion2vec_s.pretraining.student import Emotion2VecSForPreTraining


@dataclass(slots=True)
class Targets:
    frames: Tensor  # (B, T, D), each channel with mean 0 and variance 1 over the frames of its clip; zero at padding
    utterance: Tensor  # (B, D)


class Teacher(nn.Module):
    """Averages of all the student's weights but those of its waveform encoder, whose features it shares.

    So does data2vec 2.0 for speech (``ema_encoder_only: false``, ``ema_local_encoder: false``): positional convolutions, extra
    tokens, scale of the distance bias and all blocks are averaged. Its weights take no gradient and are always float32.

    Raises
    ------
    ConfigError : the target is to be made of more blocks than the network has
    """

    def __init__(self, student: Emotion2VecSForPreTraining, top_layers: int) -> None:
        super().__init__()
        if top_layers > student.config.depth:
            raise ConfigError(
                f"average_top_k_layers is {top_layers}, but the network has {student.config.depth} blocks behind its context "
                f"encoder. Set average_top_k_layers to {student.config.depth} or less."
            )
        self.top_layers = top_layers
        self.network = copy.deepcopy(student).requires_grad_(False)
        for shared in ("local_encoder", "project_features", "decoder"):
            delattr(self.network.audio, shared)
        self.eval()

    def train(self, mode: bool = True) -> "Teacher":
        """A teacher stays in inference mode: no dropout, no block skipped."""
        return super().train(False)

    @torch.no_grad()
    def follow(self, student: Emotion2VecSForPreTraining, decay: float) -> None:
        """Move towards the student: decay * own + (1 - decay) * the student's."""
        own = dict(self.network.named_parameters())
        theirs = dict(student.named_parameters())
        get_ema_multi_avg_fn(decay)(list(own.values()), [theirs[name] for name in own], 0)

    @torch.no_grad()
    def targets(self, local: LocalFeatures) -> Targets:
        """What the student is to predict of a batch.

        The feed-forward outputs of the top blocks, without the extra tokens. For frames, each block's are normed over the clip's
        frames, channel by channel, and then averaged over the blocks (data2vec 2.0).

        For the utterance, the mean over frames has to be taken before that norm: after it, it is zero for every clip. Each block's
        mean is normed over its channels instead, so that all blocks weigh the same, and then averaged over the blocks.
        """
        assert local.present is not None  # it is where lengths are known
        audio = self.network.audio
        x = audio.placed(local.frames, local.present)
        extra = audio.extra_tokens.shape[1]
        positions = torch.arange(x.shape[1], device=x.device)
        bias = attention_bias(positions, audio.slopes(), local.present, extra, x.dtype)
        _, inner = self.network.encode(torch.cat([audio.extra_tokens.expand(len(x), -1, -1), x], 1), bias)
        absent, lengths = ~local.present[..., None], local.lengths[:, None]
        frames = torch.zeros_like(x, dtype=torch.float32)
        utterance = torch.zeros_like(frames[:, 0])
        for found in _top(inner, self.top_layers, extra):
            mean = found.masked_fill(absent, 0).sum(1) / lengths
            centred = (found - mean[:, None]).masked_fill(absent, 0)
            variance = centred.square().sum(1) / lengths
            frames += centred * (variance[:, None] + 1e-5).rsqrt()
            utterance += F.layer_norm(mean, mean.shape[-1:])
        return Targets(frames / self.top_layers, utterance / self.top_layers)


def _top(inner: list[Tensor], count: int, extra: int) -> Iterator[Tensor]:
    """Outputs of the last blocks in float32, without extra tokens."""
    for found in inner[-count:]:
        yield found[:, extra:].float()
