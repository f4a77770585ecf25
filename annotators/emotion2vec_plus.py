"""emotion2vec+ (Ma et al. 2024): the published voter with nine classes, through our network.

``emotrove convert emotion2vec-s FOLDER OUT`` reads FunASR's ``model.pt`` with its ``config.yaml`` and ``tokens.txt``; what comes out has
the head, the names of its classes and the normalisation of the input. Scores are those of FunASR's ``generate``, features in the mode
``mean`` its utterance embeddings.
"""

from typing import Any

from annotators.emotion2vec_s import Emotion2VecS, Emotion2VecSOptions, FeatureMode
from manifests.errors import ConfigError


class Emotion2VecPlusOptions(Emotion2VecSOptions):
    """As those of ``emotion2vec_s``; features are not kept unless asked for."""

    features: FeatureMode | None = None


class Emotion2VecPlus(Emotion2VecS):
    """One vote by voice alone for one of nine classes: ours, ``other`` and ``unknown``."""

    name = "emotion2vec_plus"
    Options = Emotion2VecPlusOptions

    @classmethod
    def check(cls, options: Any) -> None:
        super().check(options)
        if "votes" not in cls.gives(options):
            raise ConfigError(
                f"annotators.{cls.name}.weights: {options.weights} has no head, so that it cannot vote. emotion2vec+ has one; for "
                "features alone use the annotator emotion2vec_s"
            )
