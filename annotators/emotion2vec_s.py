"""Emotion2Vec-S: the features of a clip that C2SER is fed with, and a vote where the network has a trained head."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from annotators.base import Annotation, Annotator, Clip, Options, vote
from annotators.device import chosen_device
from annotators.weights import check_folder, is_path
from manifests.emotions import UnknownEmotion, parse_emotion
from manifests.errors import ConfigError
from manifests.features import feature

if TYPE_CHECKING:
    from model.emotion2vec_s import Emotion2VecS as Network
    from model.emotion2vec_s import Emotion2VecSOutput

FeatureMode = Literal["first_frames", "tokens", "mean"]
"""``UtteranceMode`` of the network, whose import takes seconds."""

_CONFIG = "config.json"
_MODEL_TYPE = "emotrove_emotion2vec_s"
_CONVERT = "A released checkpoint is converted first: emotrove convert emotion2vec-s CHECKPOINT FOLDER"


class Emotion2VecSOptions(Options):
    """How the network is run, and what is kept of it.

    ``weights`` is a converted network: a folder, a name on the Hugging Face hub, or the URL of a folder in an object store.
    ``features`` says which utterance features are kept, null for none. ``device`` is ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
    ``batch_s`` is how many seconds of audio, padding counted, go through the network at once.
    """

    weights: str
    features: FeatureMode | None = "first_frames"
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    device: str = "auto"
    batch_s: float = Field(60.0, gt=0)


class Emotion2VecS(Annotator):
    """Utterance features and, where the network has a head, one vote by voice alone.

    The vote is for the most probable class of the head. The scores are the probabilities of all its classes under our names;
    ``other`` and ``unknown`` are among them where the head has them, and may win, as SenseVoice's may: the consensus counts such
    a vote, and never follows it.
    """

    name = "emotion2vec_s"
    outputs = ("votes", "features")
    Options = Emotion2VecSOptions
    options: Emotion2VecSOptions

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(options)
        self.max_batch_s = self.options.batch_s
        self._network: Network | None = None
        self._emotions: list[str] = []
        self._version = self.version

    @classmethod
    def check(cls, options: Any) -> None:
        key = f"annotators.{cls.name}.weights"
        if is_path(options.weights):
            _emotions(key, options.weights, _labels(key, Path(options.weights).expanduser()))

    @classmethod
    def gives(cls, options: Any) -> tuple[str, ...]:
        given = {"votes", "features"}
        if options.features is None:
            given.remove("features")
        # A name on a hub is not fetched for this; without a head there will be no votes.
        if is_path(options.weights) and not _labels(
            f"annotators.{cls.name}.weights", Path(options.weights).expanduser()
        ):
            given.remove("votes")
        return tuple(output for output in cls.outputs if output in given)

    def load(self) -> None:
        """Load the network.

        Raises
        ------
        ConfigError : the weights are not a converted network, a class of the head is no emotion that we know, no such device
        """
        import torch

        from model.emotion2vec_s import Emotion2VecS as Network

        device = chosen_device(f"annotators.{self.name}.device", self.options.device)
        network = Network.from_pretrained(self.options.weights, dtype=getattr(torch, self.options.dtype)).eval()
        torch.nn.Module.to(network, device)
        self._emotions = _emotions(f"annotators.{self.name}.weights", self.options.weights, network.config.labels)
        # What is written says whose it is: networks are told apart by their content, wherever they came from.
        self._version = f"{self.version}+{_digest(network)}"
        self._network = network

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

        network = self._network
        assert network is not None, "load() was not called"
        for clip in clips:
            self._check_length(clip, network)
        padded = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(clip.samples) for clip in clips], batch_first=True)
        lengths = torch.tensor([len(clip.samples) for clip in clips])
        alike = bool((lengths == padded.shape[1]).all())
        with torch.inference_mode():
            return network(padded.to(network.device, network.dtype), None if alike else lengths.to(network.device))  # type: ignore[no-any-return]

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


def _labels(key: str, folder: Path) -> list[str]:
    """Classes of the head of a converted network, from its config.

    Raises
    ------
    ConfigError : the folder holds no converted network
    """
    check_folder(key, folder, "converted Emotion2Vec-S", (_CONFIG, "*.safetensors"), f". {_CONVERT}")
    try:
        config = json.loads((folder / _CONFIG).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"{key}: {folder / _CONFIG} cannot be read: {error}. {_CONVERT}") from error
    if not isinstance(config, dict) or config.get("model_type") != _MODEL_TYPE:
        raise ConfigError(
            f"{key}: {folder} is no converted Emotion2Vec-S, its {_CONFIG} is of another model. {_CONVERT}"
        )
    return [str(label) for label in config.get("labels") or ()]


def _emotions(key: str, weights: str, labels: Sequence[str]) -> list[str]:
    """Our name of each class of the head."""
    try:
        return [str(parse_emotion(label)) for label in labels]
    except UnknownEmotion as error:
        raise ConfigError(
            f"{key}: {weights} votes for a class that is none of ours: {error}. Name the classes in its {_CONFIG} so (labels)"
        ) from error


def _digest(network: "Network") -> str:
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:8]
