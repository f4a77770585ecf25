"""The model card that a converted folder holds."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from manifests.card import plain
from model.emotion2vec_s.configuration import Emotion2VecSConfig

_MANY = 12


@dataclass(frozen=True)
class Conversion:
    """What was converted.

    ``parameters`` counts all weights; ``left_out`` gives the names in the file by reason; ``assumed`` says in words what the file
    does not tell; ``source_sha256`` is that of the checkpoint.
    """

    source: Path
    source_sha256: str
    config: Emotion2VecSConfig
    parameters: int
    left_out: Mapping[str, list[str]]
    assumed: list[str]


def model_card(conversion: Conversion) -> str:
    """README.md: where the weights are from, what was left out and what was assumed."""
    config = conversion.config
    rows = [
        ("source file", plain(conversion.source.name)),
        ("its SHA-256", f"`{conversion.source_sha256}`"),
        ("parameters", f"{conversion.parameters:,}"),
        ("network", network_line(config)),
        ("input", "mono, 16 kHz" + (", each clip brought to mean 0 and variance 1 first" if config.normalize else "")),
        ("head", f"{len(config.labels)} classes: {', '.join(map(plain, config.labels))}" if config.labels else "none"),
    ]
    parts = [
        "---\nlibrary_name: emotrove\npipeline_tag: audio-classification\ntags: [speech, emotion, speech-emotion-recognition]\n---",
        "# Converted from a released checkpoint",
        "Emotion2Vec-S, emotion2vec or emotion2vec+, converted by `emotrove convert emotion2vec-s`. Weights and licence are those of "
        "the source; ask there before you pass them on.",
        "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)]),
        '```python\nfrom model.emotion2vec_s.loading import load_emotion2vec_s\n\nnetwork = load_emotion2vec_s("this-folder")\n```',
    ]
    if conversion.left_out:
        parts += ["## Left out", "\n".join(f"- {plain(line)}" for line in left_out_lines(conversion))]
    if conversion.assumed:
        parts += ["## Assumed", "\n".join(f"- {plain(line)}" for line in conversion.assumed)]
    return "\n\n".join(parts) + "\n"


def network_line(config: Emotion2VecSConfig) -> str:
    """The network in one line."""
    decoder = f", decoder of {config.decoder_layers} for pre-training" if config.decoder_layers else ", no decoder"
    return (
        f"width {config.hidden_size}, {config.num_heads} heads, {config.prenet_depth} + {config.depth} blocks, "
        f"{config.num_extra_tokens} utterance tokens{decoder}"
    )


def left_out_lines(conversion: Conversion) -> list[str]:
    """What was left out: why, how many keys, and which."""
    lines = []
    for reason, names in conversion.left_out.items():
        more = f" and {len(names) - _MANY} more" if len(names) > _MANY else ""
        keys = "1 key" if len(names) == 1 else f"{len(names)} keys"
        lines.append(f"{reason} ({keys}): {', '.join(names[:_MANY])}{more}")
    return lines
