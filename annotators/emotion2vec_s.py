"""Emotion2Vec-S: the features of a clip that C2SER is fed with, and a vote where the network has a trained head."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from annotators.base import Annotation, Annotator, Clip, Options, vote
from annotators.device import chosen_device
from manifests.emotions import UnknownEmotion, parse_emotion
from manifests.errors import ConfigError
from manifests.features import feature

if TYPE_CHECKING:
    from model.emotion2vec_s import Emotion2VecS as Network
    from model.emotion2vec_s import Emotion2VecSOutput

FeatureMode = Literal["first_frames", "tokens", "mean"]
"""``UtteranceMode`` of the network, whose import takes seconds."""


# On a core large batches gain nothing: at full size 4 s at once run at 6.0 times real time, 30 s at 6.4, 60 s at 5.6.
_CPU_BATCH_S, _GPU_BATCH_S = 30.0, 600.0


class Emotion2VecSOptions(Options):
    """How the network is run, and what is kept of it.

    ``weights`` is a converted network: a folder, a name on the Hugging Face hub, or the URL of a folder in an object store.
    ``features`` says which utterance features are kept, null for none. ``device`` is ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
    ``batch_s`` is how many seconds of audio, padding counted, go through the network at once; null for what suits the device.
    """

    weights: str
    features: FeatureMode | None = "first_frames"
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    device: str = "auto"
    batch_s: float | None = Field(None, gt=0)


class Emotion2VecS(Annotator):
    """Utterance features and, where the network has a head, one vote by voice alone.

    The vote is for the most probable class of the head. The scores are the probabilities of all its classes under our names;
    ``other`` and ``unknown`` are among them where the head has them, and may win, as SenseVoice's may: the consensus counts such
    a vote, and never follows it.
    """

    name = "emotion2vec_s"
    outputs = ("votes", "features")
    max_batch_clips = 256  # short clips too shall fill a GPU
    Options = Emotion2VecSOptions
    options: Emotion2VecSOptions

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(options)
        self._network: Network | None = None
        self._emotions: list[str] = []
        self._version = self.version

    @classmethod
    def check(cls, options: Any) -> None:
        _emotions(cls.name, options.weights, _labels(cls.name, options.weights))

    @classmethod
    def gives(cls, options: Any) -> tuple[str, ...]:
        given = (("votes", bool(_labels(cls.name, options.weights))), ("features", options.features is not None))
        return tuple(output for output, there in given if there)

    def load(self) -> None:
        """Load the network.

        Raises
        ------
        ConfigError : a class of the head is no emotion that we know, no such device
        ModelError : the weights are not a converted network, or damaged
        """
        import torch

        from model.emotion2vec_s.loading import load_emotion2vec_s, network_version
        from model.model_folder import model_folder

        folder = model_folder(self.options.weights)
        device = chosen_device(f"annotators.{self.name}.device", self.options.device)
        self.max_batch_s = self.options.batch_s or (_GPU_BATCH_S if device.startswith("cuda") else _CPU_BATCH_S)
        self._network = load_emotion2vec_s(str(folder), device=device, dtype=getattr(torch, self.options.dtype))
        # Of this network, and not of what ``check`` saw: a name on a hub may lead to another one by now.
        self._emotions = _emotions(self.name, self.options.weights, self._network.config.labels)
        # What is written says whose it is: networks are told apart by their content, wherever they came from.
        self._version = f"{self.version}+{network_version(folder)}"

    def annotate(self, clips: list[Clip]) -> list[Annotation]:
        found: list[dict[str, Any]] = [{} for _ in clips]
        heard = self._hear(clips)
        if heard.logits is not None:
            for fields, row in zip(found, heard.logits.double().softmax(-1).tolist(), strict=True):
                fields["votes"] = [self._vote(row)]
        mode = self.options.features
        if mode is not None:
            for fields, values in zip(found, heard.utterance(mode).float().cpu().numpy(), strict=True):
                fields["features"] = [feature(self.name, self._version, mode, values)]
        return [Annotation(fields) for fields in found]

    def _hear(self, clips: Sequence[Clip]) -> "Emotion2VecSOutput":
        import torch

        from model.emotion2vec_s.batches import padded

        network = self._network
        assert network is not None, "load() was not called"
        for clip in clips:
            self._check_length(clip, network)
        samples, lengths = padded([clip.samples for clip in clips])
        alike = bool((lengths == samples.shape[1]).all())
        with torch.inference_mode():
            return network(samples.to(network.device), None if alike else lengths.to(network.device))  # type: ignore[no-any-return]

    def _check_length(self, clip: Clip, network: "Network") -> None:
        config = network.config
        needed, what = 1, "the network takes one frame or more"
        if self.options.features == "first_frames":
            needed, what = config.num_extra_tokens, f"'first_frames' takes {config.num_extra_tokens} frames"
        samples = config.window + (needed - 1) * config.hop
        if len(clip.samples) < samples:
            raise ValueError(
                f"the clip is too short: it has {clip.duration_s:.3f} s and {what}, which is "
                f"{samples / config.sample_rate:.3f} s or more"
            )

    def _vote(self, probabilities: Sequence[float]) -> dict[str, Any]:
        scores: dict[str, float] = defaultdict(float)
        for emotion, probability in zip(self._emotions, probabilities, strict=True):
            scores[emotion] += probability
        return {**vote(self, "acoustic", scores), "version": self._version}


def _labels(annotator: str, weights: str) -> list[str]:
    """The classes of the head, none without a head; weights that are elsewhere are fetched first.

    Raises
    ------
    ConfigError : this is no converted network
    """
    from model.emotion2vec_s.loading import check_folder
    from model.model_folder import ModelError, model_folder

    try:
        folder = model_folder(weights)
        check_folder(folder)
    except ModelError as error:
        raise ConfigError(f"annotators.{annotator}.weights: {error}") from error
    return list(json.loads((folder / "config.json").read_text("utf-8")).get("labels", ()))


def _emotions(annotator: str, weights: str, labels: Sequence[str]) -> list[str]:
    """Our name of each class of the head.

    Raises
    ------
    ConfigError : one is no emotion that we know
    """
    try:
        return [str(parse_emotion(label)) for label in labels]
    except UnknownEmotion as error:
        raise ConfigError(
            f"annotators.{annotator}.weights: the head of {weights} has a class that is none of ours: {error}. Its classes are named "
            "by 'labels' in its config.json"
        ) from error
