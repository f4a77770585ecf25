"""The student: Emotion2Vec-S with the decoder that only pre-training uses."""

import copy
from typing import Any

import torch
from torch import Tensor

from model.emotion2vec_s.blocks import attention_bias
from model.emotion2vec_s.configuration import Emotion2VecSConfig
from model.emotion2vec_s.network import Emotion2VecS, LocalFeatures
from model.emotion2vec_s.pretraining.decoder import Decoder
from model.emotion2vec_s.pretraining.masking import Masks


class Emotion2VecSForPreTraining(Emotion2VecS):
    """Emotion2Vec-S with a decoder, in the names of the released file.

    ``from_pretrained`` takes what either class saved: a decoder that is not in the file starts afresh. A classification head is
    left behind, because pre-training moves the features it was made for. What this class saves, ``Emotion2VecS`` loads.
    """

    _keys_to_ignore_on_load_unexpected = [r"^head\."]  # noqa: RUF012  so is it in transformers
    _keys_to_ignore_on_load_missing = [r"^modality_encoders\.AUDIO\.decoder\."]  # noqa: RUF012

    def __init__(self, config: Emotion2VecSConfig) -> None:
        config = copy.deepcopy(config)
        config.labels = []
        super().__init__(config)
        self.audio.decoder = Decoder(config)
        self.post_init()

    def see(self, local: LocalFeatures, masks: Masks) -> tuple[Tensor, Tensor]:
        """Run the blocks over the frames that the masks leave.

        Parameters
        ----------
        local : features of B clips, shared by their copies
        masks : of B * K = M copies, with L visible frames at most

        Returns
        -------
        (M, 10, D) utterance tokens and (M, L, D) visible frames, zero behind the end of a shorter sequence
        """
        audio = self.audio
        frames = local.frames.repeat_interleave(len(masks.masked) // len(local.frames), 0)
        frames = frames.masked_fill(masks.masked[..., None], 0)
        # The positional convolutions pass over masked frames as if these were silent, so they cannot tell what is under them.
        x = audio.placed(frames, masks.present)
        x = x.gather(1, masks.positions[..., None].expand(-1, -1, x.shape[-1]))
        extra = audio.extra_tokens.shape[1]
        bias = attention_bias(masks.positions, audio.slopes(), masks.seen, extra, x.dtype)
        x, _inner = self.encode(torch.cat([audio.extra_tokens.expand(len(x), -1, -1), x], 1), bias)
        tokens, frames = x[:, :extra], x[:, extra:]
        return tokens, frames if masks.seen is None else frames.masked_fill(~masks.seen[..., None], 0)

    def fill(self, seen: Tensor, noise: Tensor, masks: Masks) -> Tensor:
        """Predict the masked frames.

        Parameters
        ----------
        seen : (M, L, D) as ``see`` gives it
        noise : (M, T, D), what is put into masked places

        Returns
        -------
        (F, D) in the order of ``masks.targets``
        """
        visible = masks.present & ~masks.masked
        spread = seen.gather(1, masks.place[..., None].expand(-1, -1, seen.shape[-1]))
        decoder: Any = self.audio.decoder
        return decoder(torch.where(visible[..., None], spread, noise.to(seen.dtype)), masks.present, masks.targets)
