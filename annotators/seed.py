"""The seed voter: the small network that comes with emotrove, so that the embedded profile labels with no download."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from annotators.base import Annotation, Annotator, Clip, Options, vote
from manifests.emotions import CLASSES
from manifests.errors import ConfigError

if TYPE_CHECKING:
    from model.seed.network import SeedClassifier

TRAINED_ON = (
    "The seed voter was trained on RAVDESS, all 24 actors. On RAVDESS these are training figures; the cross-validated ones "
    "are in its model card."
)


class SeedOptions(Options):
    """``weights`` is a folder that ``emotrove train seed`` has written; by default the weights that come with emotrove."""

    weights: Path | None = None


class Seed(Annotator):
    """One vote by voice alone, with calibrated probabilities over the seven classes."""

    name = "seed"
    outputs = ("votes",)
    Options = SeedOptions
    options: SeedOptions

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(options)
        self._model: SeedClassifier | None = None
        self._version = self.version

    @classmethod
    def check(cls, options: Any) -> None:
        if options.weights is not None and not (options.weights / "model.safetensors").is_file():
            raise ConfigError(
                f"annotators.seed.weights: {options.weights} holds no model.safetensors. Give a folder that "
                "'emotrove train seed' has written"
            )

    def load(self) -> None:
        from model.seed import load_seed

        self._model = load_seed(self.options.weights)
        if self.options.weights is not None:
            # A vote says whose it is: weights of one's own are told apart by their content.
            digest = hashlib.sha256((self.options.weights / "model.safetensors").read_bytes()).hexdigest()
            self._version = f"{self.version}+{digest[:8]}"

    def annotate(self, clips: list[Clip]) -> list[Annotation]:
        assert self._model is not None, "load() was not called"
        probabilities = self._model.predict([clip.samples for clip in clips])
        return [Annotation({"votes": [self._vote(row)]}) for row in probabilities.tolist()]

    def _vote(self, row: list[float]) -> dict[str, Any]:
        return {**vote(self, "acoustic", dict(zip(map(str, CLASSES), row, strict=True))), "version": self._version}
