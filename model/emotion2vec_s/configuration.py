"""What an Emotion2Vec-S network looks like; the values of the released checkpoint are the defaults."""

from collections.abc import Sequence
from typing import Any

from transformers import PretrainedConfig

CONV_LAYERS = ((512, 10, 5), *[(512, 3, 2)] * 4, *[(512, 2, 2)] * 2)
"""(channels, kernel, stride) of each convolution over the waveform."""


class Emotion2VecSConfig(PretrainedConfig):
    """Shape of the network.

    Parameters
    ----------
    hidden_size, num_heads, mlp_ratio : of every transformer block
    prenet_depth, depth : blocks of the context encoder and blocks behind it
    conv_layers : (channels, kernel, stride) of each convolution over the waveform
    conv_pos_width, conv_pos_groups, conv_pos_depth : the positional convolutions; each has a kernel of width // depth, at least 3
    num_extra_tokens : learned tokens in front of the frames; behind the last block they describe the utterance
    use_alibi : whether attention falls with distance
    num_alibi_heads : heads that the slopes are made for
    learned_alibi_scale : "none", "shared" or "per_head"
    alibi_scale : where the scale is not learned
    norm_eps : of all layer norms
    normalize : whether a clip is brought to mean 0 and variance 1 first: emotion2vec does, the released Emotion2Vec-S does not
    sample_rate : of the input in Hz
    decoder_dim, decoder_groups, decoder_kernel, decoder_layers : the decoder, which only pre-training uses; no layers for none
    encoder_dropout, attention_dropout, activation_dropout, post_mlp_dropout, prenet_dropout : rates, in training only
    layerdrop, prenet_layerdrop : how often a whole block is skipped, in training only
    labels : classes of the head, in the order of its logits; none for no head
    head_hidden_size : of the head's hidden layer; 0 for a linear head
    """

    model_type = "emotrove_emotion2vec_s"

    def __init__(
        self,
        hidden_size: int = 768,
        num_heads: int = 12,
        mlp_ratio: float = 4.0,
        prenet_depth: int = 4,
        depth: int = 8,
        conv_layers: Sequence[Sequence[int]] = CONV_LAYERS,
        conv_pos_width: int = 95,
        conv_pos_groups: int = 16,
        conv_pos_depth: int = 5,
        num_extra_tokens: int = 10,
        use_alibi: bool = True,
        num_alibi_heads: int | None = None,
        learned_alibi_scale: str = "per_head",
        alibi_scale: float = 1.0,
        norm_eps: float = 1e-5,
        normalize: bool = False,
        sample_rate: int = 16_000,
        decoder_dim: int = 384,
        decoder_groups: int = 16,
        decoder_kernel: int = 7,
        decoder_layers: int = 4,
        encoder_dropout: float = 0.1,
        attention_dropout: float = 0.1,
        activation_dropout: float = 0.0,
        post_mlp_dropout: float = 0.1,
        prenet_dropout: float = 0.1,
        layerdrop: float = 0.05,
        prenet_layerdrop: float = 0.05,
        labels: Sequence[str] = (),
        head_hidden_size: int = 0,
        **kwargs: Any,
    ) -> None:
        self.hidden_size, self.num_heads, self.mlp_ratio = hidden_size, num_heads, mlp_ratio
        self.prenet_depth, self.depth = prenet_depth, depth
        self.conv_layers = [list(layer) for layer in conv_layers]
        self.conv_pos_width, self.conv_pos_groups, self.conv_pos_depth = conv_pos_width, conv_pos_groups, conv_pos_depth
        self.num_extra_tokens = num_extra_tokens
        self.use_alibi = use_alibi
        self.num_alibi_heads = num_heads if num_alibi_heads is None else num_alibi_heads
        self.learned_alibi_scale, self.alibi_scale = learned_alibi_scale, alibi_scale
        self.norm_eps, self.normalize, self.sample_rate = norm_eps, normalize, sample_rate
        self.decoder_dim, self.decoder_groups = decoder_dim, decoder_groups
        self.decoder_kernel, self.decoder_layers = decoder_kernel, decoder_layers
        self.encoder_dropout, self.attention_dropout = encoder_dropout, attention_dropout
        self.activation_dropout, self.post_mlp_dropout = activation_dropout, post_mlp_dropout
        self.prenet_dropout, self.layerdrop, self.prenet_layerdrop = prenet_dropout, layerdrop, prenet_layerdrop
        self.labels, self.head_hidden_size = list(labels), head_hidden_size
        super().__init__(**kwargs)

    @property
    def hop(self) -> int:
        """Samples from one frame to the next."""
        hop = 1
        for _, _, stride in self.conv_layers:
            hop *= stride
        return hop

    @property
    def window(self) -> int:
        """Samples that one frame is made of; a clip has (samples - window) // hop + 1 frames."""
        window, hop = 1, 1
        for _, kernel, stride in self.conv_layers:
            window += (kernel - 1) * hop
            hop *= stride
        return window
