"""The seed voter: the small network that comes with emotrove, so that the embedded profile labels with no download."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from annotators.base import Annotation, Annotator, Clip, vote
from manifests.emotions import CLASSES

if TYPE_CHECKING:
    from model.seed.network import SeedClassifier

TRAINED_ON = (
    "The seed voter was trained on RAVDESS, all 24 actors. On RAVDESS these are training figures; the cross-validated ones "
    "are in its model card, model/seed/weights/README.md."
)


class Seed(Annotator):
    """One vote by voice alone, with calibrated probabilities over the seven classes."""

    name = "seed"
    outputs = ("votes",)

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(options)
        self._model: SeedClassifier | None = None

    def load(self) -> None:
        from model.seed import load_seed

        self._model = load_seed()

    def annotate(self, clips: list[Clip]) -> list[Annotation]:
        assert self._model is not None, "load() was not called"
        probabilities = self._model.predict([clip.samples for clip in clips])
        return [
            Annotation({"votes": [vote(self, "acoustic", dict(zip(map(str, CLASSES), map(float, row), strict=True)))]})
            for row in probabilities
        ]
