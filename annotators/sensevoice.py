"""SenseVoice (An et al. 2024): words, language, sound event and emotion of a clip in one pass, through FunASR.

The network puts four questions (language, emotion, event, text form) before the speech and answers each with a token of its
vocabulary, then writes the words::

    <|en|><|HAPPY|><|Speech|><|withitn|>Nice to see you.

The emotion in the vote is the token that it wrote. The scores are its probabilities at that question, among the emotion tokens.
"""

import contextlib
import io
import logging
import os
import random
import re
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from annotators import torchaudio_guard
from annotators.base import SAMPLE_RATE_HZ, Annotation, Annotator, Clip, Options
from annotators.device import chosen_device
from annotators.weights import check_folder
from manifests.emotions import Emotion, parse_emotion
from manifests.errors import ConfigError, MissingPackage
from model.model_folder import is_path

LANGUAGES = ("zh", "yue", "en", "ja", "ko")
"""What SenseVoiceSmall transcribes; its emotion is asked of any language."""

_EMOTION_TOKENS = ("HAPPY", "SAD", "ANGRY", "NEUTRAL", "FEARFUL", "DISGUSTED", "SURPRISED", "EMO_UNKNOWN")
# Places of the answers in the network's output; the words follow them.
_EMOTION_PLACE = 1
_ANSWERS = 4
_TAG = re.compile(r"<\|([^|<>]*)\|>")
_BLANK = 0
_HUB_TIMEOUT_S = 10
_WINDOW = SAMPLE_RATE_HZ * 25 // 1000

logger = logging.getLogger(__name__)


class SenseVoiceOptions(Options):
    """``model`` is a local folder or a name on ModelScope, ``device`` ``auto``, ``cpu``, ``cuda`` or ``cuda:1``."""

    model: str = "iic/SenseVoiceSmall"
    device: str = "auto"


class SenseVoice(Annotator):
    """A transcript and an emotion vote.

    The modality is ``both``: one encoder was trained to hear the words and the emotion, so the vote may rest on either.
    A clip in a language that SenseVoice does not know gets a vote and no transcript.
    """

    name = "sensevoice"
    version = "1"
    uses = ("transcript",)  # it writes one only where no speech recogniser has
    outputs = ("transcript", "votes")
    Options = SenseVoiceOptions
    options: SenseVoiceOptions

    # The network scores 25,000 tokens in each 60 ms: 120 s of audio make 200 MB of scores, and FunASR keeps them twice.
    max_batch_s = 120.0

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(options)
        self._funasr: Any = None
        self._emotions: dict[Emotion, int] = {}
        self._weights = Path(self.options.model).name

    @classmethod
    def check(cls, options: Any) -> None:
        for package in ("funasr", "modelscope", "torch"):
            if find_spec(package) is None:
                raise MissingPackage(package, "sensevoice", "the annotator 'sensevoice'")
        if find_spec("kaldi_native_fbank") is None and find_spec("torchaudio") is None:
            raise MissingPackage("kaldi_native_fbank", "sensevoice", "the annotator 'sensevoice'")
        if is_path(options.model):
            _check_folder(Path(options.model).expanduser())
        elif _cached(options.model) is None:
            _check_hub(options.model)

    def load(self) -> None:
        """Load the network.

        Raises
        ------
        ConfigError : the folder or its checkpoint is not a complete SenseVoice, the hub cannot be reached, there is no such device
        """
        import torch

        device = chosen_device("annotators.sensevoice.device", self.options.device)
        torchaudio_guard.install()
        with undisturbed():
            folder = _folder(self.options.model)
            _check_folder(folder)
            from funasr import AutoModel

            self._funasr = AutoModel(
                model=str(folder),
                device=device,
                ncpu=torch.get_num_threads(),
                # Dither adds random noise to each clip, so that the same clip would never give the same numbers twice.
                frontend_conf={"dither": 0.0},
                # Said here so that a folder's own config.yaml cannot say otherwise.
                trust_remote_code=False,
                disable_update=True,
                disable_pbar=True,
                log_level="ERROR",
            )
        _check_network(self._funasr, folder)
        self._emotions = _emotion_ids(self._funasr.kwargs["tokenizer"].sp, folder)

    def annotate(self, clips: list[Clip]) -> list[Annotation]:
        groups: dict[str, list[int]] = defaultdict(list)
        for index, clip in enumerate(clips):
            # On less than a window the library that computes the features ends the process instead of raising.
            if len(clip.samples) < _WINDOW:
                raise ValueError(f"the clip has {len(clip.samples)} samples; SenseVoice hears {_WINDOW} at a time")
            groups[_asked_language(clip.language)].append(index)
        answers: dict[int, Annotation] = {}
        # The language is a question to the whole batch, so that clips of one language go together.
        for language, indices in groups.items():
            heard = self._hear([clips[i] for i in indices], language)
            answers.update((i, self._annotation(clips[i], one)) for i, one in zip(indices, heard, strict=True))
        return [answers[i] for i in range(len(clips))]

    def _hear(self, clips: list[Clip], language: str) -> list["_Heard"]:
        """Run the network on clips of one language.

        It is FunASR's own inference of this model; ``AutoModel.generate`` around it would set thread counts and empty the GPU's
        cache for each batch. FunASR keeps the scores to itself, so a forward hook reads them as they leave the output layer.
        """
        import torch

        parts, network = self._funasr.kwargs, self._funasr.model
        logits: list[Any] = []
        encoded: list[Any] = []
        hooks = (
            network.ctc.ctc_lo.register_forward_hook(lambda layer, given, scores: logits.append(scores)),
            network.encoder.register_forward_hook(lambda layer, given, output: encoded.append(output)),
        )
        try:
            with torch.inference_mode():
                results, _ = network.inference(
                    data_in=[torch.tensor(clip.samples, dtype=torch.float32) for clip in clips],
                    key=[clip.utterance_id for clip in clips],
                    tokenizer=parts["tokenizer"],
                    frontend=parts["frontend"],
                    device=parts["device"],
                    language=language,
                    use_itn=True,
                )
                lengths = encoded[0][1].tolist()
                return [
                    _Heard(result["text"], *self._scores(scores[:length]))
                    for result, scores, length in zip(results, logits[0], lengths, strict=True)
                ]
        finally:
            for hook in hooks:
                hook.remove()

    def _scores(self, logits: Any) -> tuple[dict[str, float], float | None]:
        """Probability of each emotion, and the mean probability of the frames that carry a word piece.

        Parameters
        ----------
        logits : (answers and frames of one clip, vocabulary)
        """
        ids = list(self._emotions.values())
        emotions = logits[_EMOTION_PLACE, ids].double().softmax(-1).tolist()
        words = logits[_ANSWERS:]
        best, token = words.max(-1)
        carries = token != _BLANK
        confidence = None
        if carries.any():
            chosen = words[carries]
            confidence = float((best[carries] - chosen.logsumexp(-1)).exp().mean())
        return {str(emotion): score for emotion, score in zip(self._emotions, emotions, strict=True)}, confidence

    def _annotation(self, clip: Clip, heard: "_Heard") -> Annotation:
        emotion = written_emotion(heard.text)
        vote = {
            "voter": self.name,
            "version": f"{self.version}+{self._weights}",
            "modality": "both",
            "emotion": str(emotion or Emotion.UNKNOWN),
            # Where the network answered with no emotion at all, there is no probability of its answer among the emotions.
            "confidence": heard.emotions.get(str(emotion)) if emotion else None,
            "scores": [{"emotion": name, "score": score} for name, score in heard.emotions.items()],
        }
        fields: dict[str, Any] = {"votes": [vote]}
        heard_before = clip.fields.get("transcript") is not None
        if not heard_before and (clip.language is None or _asked_language(clip.language) != "auto"):
            fields["transcript"] = {
                "text": written_words(heard.text),
                "annotator": f"{self.name}@{self.version}+{self._weights}",
                "confidence": heard.confidence,
                "words": None,
            }
        return Annotation(fields)


@dataclass(frozen=True, slots=True)
class _Heard:
    text: str
    emotions: Mapping[str, float]
    confidence: float | None


def written_words(text: str) -> str:
    """The words of SenseVoice's rich text, without its tags."""
    return " ".join(_TAG.sub(" ", text).split())


def written_emotion(text: str) -> Emotion | None:
    """The emotion that SenseVoice wrote; None where no tag of its text is one."""
    return next((parse_emotion(tag) for tag in _TAG.findall(text) if tag in _EMOTION_TOKENS), None)


def _asked_language(language: str | None) -> str:
    """SenseVoice's own name of a language; ``auto`` where it does not know the language or none is given."""
    short = (language or "").lower().replace("_", "-").split("-")[0]
    return short if short in LANGUAGES else "auto"


def _check_folder(folder: Path) -> None:
    needed = ("config.yaml", "model.pt", "am.mvn", "*.bpe.model")
    check_folder("annotators.sensevoice.model", folder, "SenseVoice model", needed)


def _cached(name: str) -> Path | None:
    from modelscope.hub.snapshot_download import snapshot_download

    try:
        return Path(snapshot_download(name, local_files_only=True))
    except Exception:  # each release of the hub's client says "not here" with another error
        return None


def _check_hub(name: str) -> None:
    """Ask the hub once for the model, because a download that cannot work is tried for half a minute."""
    hub = os.environ.get("MODELSCOPE_ENDPOINT", "https://www.modelscope.cn").rstrip("/")
    try:
        with urllib.request.urlopen(f"{hub}/api/v1/models/{name}", timeout=_HUB_TIMEOUT_S):
            return
    except (OSError, ValueError) as error:  # what urllib raises where there is no model, no net or no such address
        raise ConfigError(_unreachable(name, error)) from error


def _folder(model: str) -> Path:
    if is_path(model):
        return Path(model).expanduser()
    folder = _cached(model)
    if folder is not None:
        return folder
    from modelscope.hub.snapshot_download import snapshot_download

    try:
        return Path(snapshot_download(model))
    except Exception as error:  # the hub's client raises its own errors, those of requests and plain ones
        raise ConfigError(_unreachable(model, error)) from error


def _unreachable(name: str, error: Exception) -> str:
    return (
        f"annotators.sensevoice.model: '{name}' is no local folder and could not be had from ModelScope ({error}). "
        "Give the path of a folder that holds the model"
    )


def _check_network(funasr: Any, folder: Path) -> None:
    """FunASR takes over what fits of a checkpoint, leaves the rest at random values and goes on."""
    import torch

    network = funasr.model
    if type(network).__name__ != "SenseVoiceSmall":
        raise ConfigError(
            f"annotators.sensevoice.model: {folder} holds a {type(network).__name__}, not SenseVoiceSmall"
        )
    there = torch.load(folder / "model.pt", map_location="cpu", weights_only=True, mmap=True)
    for key in ("state_dict", "model_state_dict", "model"):
        there = there.get(key, there)
    there = {name.removeprefix("module."): tensor.shape for name, tensor in there.items()}
    wrong = [name for name, tensor in network.state_dict().items() if there.get(name) != tensor.shape]
    if wrong:
        raise ConfigError(
            f"annotators.sensevoice.model: {folder / 'model.pt'} does not fit its config.yaml: {len(wrong)} weights are missing "
            f"or of another shape, the first is {wrong[0]}"
        )


def _emotion_ids(pieces: Any, folder: Path) -> dict[Emotion, int]:
    ids = {parse_emotion(token): pieces.piece_to_id(f"<|{token}|>") for token in _EMOTION_TOKENS}
    known = {emotion: number for emotion, number in ids.items() if number != pieces.unk_id()}
    if len(known) < 2:
        raise ConfigError(f"annotators.sensevoice.model: the vocabulary in {folder} has no emotion tokens")
    return known


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Put back what importing and building FunASR changes: random states, the root logger, and lines on stdout."""
    import torch

    root, kept_random, kept_numpy = logging.getLogger(), random.getstate(), np.random.get_state()
    handlers, level, said = list(root.handlers), root.level, io.StringIO()
    threads, disabled = torch.get_num_threads(), root.manager.disable
    logging.disable(logging.WARNING)  # it tells its progress through the root logger
    try:
        with torch.random.fork_rng(), contextlib.redirect_stdout(said):
            yield
    finally:
        random.setstate(kept_random)
        np.random.set_state(kept_numpy)
        root.handlers[:] = handlers
        root.setLevel(level)
        logging.disable(disabled)
        torch.set_num_threads(threads)
        for line in filter(None, said.getvalue().splitlines()):
            logger.debug("funasr: %s", line)
