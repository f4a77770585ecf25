"""What makes a clip worth an expert's time: the policies by which routing ranks the clips of a class.

A policy is one SQL expression over what the voters said together. Clips of a higher priority are taken first.
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Policy:
    """How clips are ranked.

    ``priority`` is an expression for a double over ``agreement`` (share of the voters that chose the consensus),
    ``confidence`` (their mean score of it), ``n_votes``, and ``share`` (of the emotion among the clips of its language); all
    but ``n_votes`` are between 0 and 1. Where one of them is null the priority is null, and the clip comes last.
    """

    meaning: str
    priority: str


POLICIES: Final[dict[str, Policy]] = {
    "disagreement": Policy(
        "the fewer voters chose the consensus the better, then the less sure they are",
        # One voter more or less is a step of 1 / n_votes, which doubt can never outweigh.
        "1 - agreement + (1 - confidence) / (n_votes + 1)",
    ),
    "rare": Policy(
        "the rarer the emotion in its language and the surer the voters the better",
        "confidence * log2(1 / share)",  # bits of surprise, as far as they are believed
    ),
    "confident": Policy(
        "the more voters agree and the surer they are the better, for a test set",
        "agreement * confidence",
    ),
}
