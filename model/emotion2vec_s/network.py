"""Emotion2Vec-S: emotion2vec's network (data2vec 2.0 over waveforms) with utterance tokens, in the names of the released file.

Sources: Emotion2Vec-S in C2SER (arXiv 2502.18186), emotion2vec (arXiv 2312.15185), data2vec 2.0 (arXiv 2212.07525).
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.utils import ModelOutput

from model.emotion2vec_s.blocks import Block, alibi_slopes, attention_bias
from model.emotion2vec_s.configuration import Emotion2VecSConfig
from model.emotion2vec_s.waveform_encoder import WaveformEncoder

UtteranceMode = Literal["first_frames", "tokens", "mean"]


@dataclass
class Emotion2VecSOutput(ModelOutput):
    """What the network says of a batch.

    ``frames`` is (B, T, D), 50 a second, zero behind the end of a clip; ``utterance_tokens`` (B, 10, D); ``frame_lengths`` (B,)
    int64; ``logits`` (B, classes) where the network has a head.
    """

    frames: Tensor | None = None
    utterance_tokens: Tensor | None = None
    frame_lengths: Tensor | None = None
    logits: Tensor | None = None

    def utterance(self, mode: UtteranceMode) -> Tensor:
        """Features of the utterance, in one of the meanings that the term has.

        ``first_frames``: (B, 10, D), the first 200 ms, which the released script computes and the released C2SER was fed;
        ``tokens``: (B, 10, D), the utterance tokens behind the last block; ``mean``: (B, D), the mean of the clip's frames.

        Raises
        ------
        ValueError : ``first_frames`` of a clip that has fewer
        """
        assert self.frames is not None and self.utterance_tokens is not None and self.frame_lengths is not None
        if mode == "tokens":
            return self.utterance_tokens
        if mode == "mean":
            # In single precision: bfloat16 rounds the number of frames itself, and float16 overflows.
            mean = self.frames.sum(1, dtype=torch.float32) / self.frame_lengths[:, None]
            return mean.to(self.frames.dtype)
        count = self.utterance_tokens.shape[1]
        if int(self.frame_lengths.min()) < count:
            raise ValueError(f"a clip of {int(self.frame_lengths.min())} frames has no first {count} frames")
        return self.frames[:, :count]


class PositionalConvolutions(nn.Sequential):
    """Grouped convolutions over time, each with a layer norm without weights and GELU; padding stays zero throughout."""

    def __init__(self, config: Emotion2VecSConfig) -> None:
        width = config.hidden_size
        kernel = max(3, config.conv_pos_width // config.conv_pos_depth)
        convolutions = [
            nn.Sequential(nn.Conv1d(width, width, kernel, padding=kernel // 2, groups=config.conv_pos_groups))
            for _ in range(config.conv_pos_depth)
        ]
        super().__init__(nn.Identity(), *convolutions)  # the released network's first place is a transposition

    def forward(self, x: Tensor, padding: Tensor | None) -> Tensor:  # type: ignore[override]
        """(B, T, D) and (B, T, 1) true at padding → (B, T, D)."""
        length = x.shape[1]
        for layer in list(self)[1:]:
            convolution = layer[0]  # type: ignore[index]
            image = x.transpose(1, 2)[:, :, None]  # (B, D, 1, T), the channels side by side in memory
            around = (0, convolution.padding[0])
            x = F.conv2d(image, convolution.weight[:, :, None], convolution.bias, 1, around, 1, convolution.groups)
            x = x[:, :, 0, :length].transpose(1, 2)
            x = F.gelu(F.layer_norm(x, x.shape[-1:]))
            if padding is not None:
                x = x.masked_fill(padding, 0)
        return x


class ContextEncoder(nn.Module):
    """The blocks that in training see only what is not masked."""

    def __init__(self, config: Emotion2VecSConfig) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.norm_eps)
        self.dropout = nn.Dropout(config.prenet_dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.prenet_depth))


@dataclass(slots=True)
class LocalFeatures:
    """What goes into the blocks: frames with their positions, and which of them are there."""

    frames: Tensor  # (B, T, D), zero at padding
    lengths: Tensor  # (B,) frames of each clip
    present: Tensor | None  # (B, T); None where no clip is padded


class AudioEncoder(nn.Module):
    """From waveforms to what goes into the blocks."""

    def __init__(self, config: Emotion2VecSConfig) -> None:
        super().__init__()
        self.config = config
        channels = config.conv_layers[-1][0]
        self.extra_tokens = nn.Parameter(torch.zeros(1, config.num_extra_tokens, config.hidden_size))
        if config.use_alibi and config.learned_alibi_scale != "none":
            heads = config.num_alibi_heads if config.learned_alibi_scale == "per_head" else 1
            self.alibi_scale = nn.Parameter(torch.full((1, 1, heads, 1, 1), config.alibi_scale))
        self.local_encoder = WaveformEncoder(config)
        self.project_features = nn.Sequential(
            nn.Identity(), nn.LayerNorm(channels), nn.Linear(channels, config.hidden_size)
        )
        self.relative_positional_encoder = PositionalConvolutions(config)
        self.context_encoder = ContextEncoder(config)

    def local(self, waveforms: Tensor, lengths: Tensor | None) -> LocalFeatures:
        """Frames of a padded batch, before any position.

        Parameters
        ----------
        waveforms : (B, N), 16 kHz
        lengths : (B,) samples of each clip; None where no clip is padded

        Raises
        ------
        ValueError : a clip is shorter than one frame
        """
        config = self.config
        sizes = (
            torch.full((len(waveforms),), waveforms.shape[1], device=waveforms.device) if lengths is None else lengths
        )
        frame_lengths = (sizes - config.window) // config.hop + 1
        if not torch.compiler.is_compiling() and int(frame_lengths.min()) < 1:
            raise ValueError(f"a clip of {int(sizes.min())} samples is too short: one frame takes {config.window}")
        if config.normalize:
            waveforms = _normalize(waveforms, lengths)
        waveforms = waveforms.to(self.extra_tokens.dtype)
        count = (waveforms.shape[1] - config.window) // config.hop + 1
        frames = self.project_features(self.local_encoder(waveforms)[:, :count])
        if lengths is None:
            return LocalFeatures(frames, frame_lengths, None)
        present = torch.arange(count, device=frames.device) < frame_lengths[:, None]
        return LocalFeatures(frames.masked_fill(~present[..., None], 0), frame_lengths, present)

    def placed(self, frames: Tensor, present: Tensor | None) -> Tensor:
        """Frames with what the positional convolutions say of their surroundings."""
        padding = None if present is None else ~present[..., None]
        return frames + self.relative_positional_encoder(frames, padding)

    def slopes(self) -> Tensor | None:
        """(heads,) how fast attention falls with distance; None without ALiBi."""
        if not self.config.use_alibi:
            return None
        slopes = torch.tensor(alibi_slopes(self.config.num_alibi_heads), device=self.extra_tokens.device)
        if self.config.learned_alibi_scale == "none":
            return slopes * self.config.alibi_scale
        return slopes * self.alibi_scale.float().clamp_min(0).flatten()


@torch.compiler.disable
def _normalize(waveforms: Tensor, lengths: Tensor | None) -> Tensor:
    """Each clip with mean 0 and variance 1 over its own samples; zero behind its end."""
    if lengths is None:
        lengths = torch.full((len(waveforms),), waveforms.shape[1])
    # Clip by clip, because what single precision rounds off depends on the length; in quiet clips it grows to more than 1e-4.
    clips = [F.layer_norm(clip[:length], (length,)) for clip, length in zip(waveforms, lengths.tolist(), strict=True)]
    return torch.nn.utils.rnn.pad_sequence(clips, batch_first=True)


class Emotion2VecS(PreTrainedModel):
    """The network as it is used: waveforms in, frames and utterance tokens out, and logits where it has a head.

    The result of a clip does not depend on what shares its batch.
    """

    config_class = Emotion2VecSConfig
    config: Emotion2VecSConfig
    main_input_name = "waveforms"
    _keys_to_ignore_on_load_unexpected = [r"^modality_encoders\.AUDIO\.decoder\."]  # noqa: RUF012  of pre-training
    _no_split_modules = ["Block"]  # noqa: RUF012  so are they in transformers

    def __init__(self, config: Emotion2VecSConfig) -> None:
        super().__init__(config)
        self.modality_encoders = nn.ModuleDict({"AUDIO": AudioEncoder(config)})
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.head = _head(config) if config.labels else None
        self.post_init()

    @property
    def audio(self) -> AudioEncoder:
        encoder = self.modality_encoders["AUDIO"]
        assert isinstance(encoder, AudioEncoder)
        return encoder

    def _init_weights(self, module: nn.Module) -> None:
        # As fairseq's BERT and data2vec 2.0: normal weights, and Kaiming for the convolutions over the waveform.
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.02)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Conv1d):
            if module.bias is None:  # over the waveform
                nn.init.kaiming_normal_(module.weight)
            else:
                module.reset_parameters()
        elif isinstance(module, nn.LayerNorm) and module.elementwise_affine:
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)
        elif isinstance(module, AudioEncoder):
            nn.init.normal_(
                module.extra_tokens
            )  # what begins alike would stay alike: nothing else tells the tokens apart
            if hasattr(module, "alibi_scale"):
                nn.init.constant_(module.alibi_scale, self.config.alibi_scale)

    def forward(self, waveforms: Tensor, lengths: Tensor | None = None, **_: Any) -> Emotion2VecSOutput:
        """Frames and utterance tokens of a batch.

        Parameters
        ----------
        waveforms : (B, N) float32, 16 kHz mono in [-1, 1], padded at the end with anything; brought to the type of the weights
            once it is normalized
        lengths : (B,) int64, samples of each clip; None where no clip is padded

        Raises
        ------
        ValueError : a clip is shorter than one frame (400 samples)
        """
        audio = self.audio
        local = audio.local(waveforms, lengths)
        x = audio.placed(local.frames, local.present)
        extra = audio.extra_tokens.shape[1]
        positions = torch.arange(x.shape[1], device=x.device)
        bias = attention_bias(positions, audio.slopes(), local.present, extra, x.dtype)
        x = torch.cat([audio.extra_tokens.expand(len(x), -1, -1), x], 1)
        x, _inner = self.encode(x, bias)
        frames = x[:, extra:]
        if local.present is not None:
            frames = frames.masked_fill(~local.present[..., None], 0)
        output = Emotion2VecSOutput(frames=frames, utterance_tokens=x[:, :extra], frame_lengths=local.lengths)
        if self.head is not None:
            output.logits = self.head(output.utterance("mean"))
        return output

    def encode(self, x: Tensor, bias: Tensor | None) -> tuple[Tensor, list[Tensor]]:
        """All blocks.

        Parameters
        ----------
        x : (B, L, D), the extra tokens first
        bias : for attention, see ``attention_bias``

        Returns
        -------
        (B, L, D) behind the last block, and what the feed-forward layer of each block behind the context encoder gave
        """
        context = self.audio.context_encoder
        x = context.dropout(context.norm(x))
        for block in context.blocks:
            if not self._skipped(self.config.prenet_layerdrop):
                x, _ = block(x, bias)
        inner: list[Tensor] = []
        for block in self.blocks:
            if not self._skipped(self.config.layerdrop):
                x, found = block(x, bias)
                inner.append(found)
        return x, inner

    def _skipped(self, rate: float) -> bool:
        return self.training and rate > 0 and float(torch.rand(())) < rate


def _head(config: Emotion2VecSConfig) -> nn.Module:
    """From the mean frame to logits: one layer, or two."""
    if not config.head_hidden_size:
        return nn.Sequential(nn.Linear(config.hidden_size, len(config.labels)))
    return nn.Sequential(
        nn.Linear(config.hidden_size, config.head_hidden_size),
        nn.ReLU(),
        nn.Linear(config.head_hidden_size, len(config.labels)),
    )
