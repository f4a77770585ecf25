"""WhisperX (Bain et al. 2023): Whisper's words in batches, with the time of each word.

WhisperX cuts long audio at pauses, runs the pieces through faster-whisper in batches, and aligns the words with a wav2vec2. Our
clips are single utterances of at most 30 s, which is the piece that Whisper hears, so there is nothing to cut: a clip is one
segment. The batched decoding is faster-whisper's, asked for directly because the part of the whisperx package around it cannot be
imported without pyannote. Word times come from Whisper's own attention, or, with ``align_model``, from the package's alignment.
"""

import logging
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import PositiveInt

from annotators import torchaudio_guard
from annotators.base import SAMPLE_RATE_HZ, Annotation, Annotator, Clip, Options
from annotators.weights import check_folder
from manifests.errors import ConfigError, MissingPackage
from model.model_folder import is_path

HEARD_S = 30.0
"""What Whisper hears at once. Every clip is padded to it, so that a clip costs the same at any length."""

_SAMPLES = int(HEARD_S * SAMPLE_RATE_HZ)
# MP3 pads a clip of 30 s by some hundredths of a second; no word is lost in them.
_TOLERANCE = SAMPLE_RATE_HZ // 10
_FRAME = 160
_FRAMES = _SAMPLES // _FRAME
_BEAMS = 5
# Whisper's published rule for a clip in which nobody speaks; without it, silence is given words that nobody said.
_NO_SPEECH_PROBABILITY, _NO_SPEECH_LOGPROB = 0.6, -1.0
_OPENING, _CLOSING = "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、"
_ALIGNMENT_INSTALL = "pip install nltk && pip install --no-deps whisperx==3.8.6"
_SENTENCES_INSTALL = "python -m nltk.downloader punkt_tab"


class WhisperXOptions(Options):
    """Options of the annotator.

    ``model`` is a local folder in CTranslate2's format, a size (``large-v3``) or a name on the Hugging Face hub. ``compute_type``
    is one of CTranslate2's; ``auto`` is float16 on a GPU and int8 on a CPU. ``device`` is ``auto``, ``cpu``, ``cuda`` or
    ``cuda:1``. ``language`` is spoken in all clips; without it each clip has the one its input names, or the one Whisper hears.
    ``align_model`` is a wav2vec2 with letters of that language, as a local folder or a name on the hub.
    """

    model: str = "large-v3"
    compute_type: str = "auto"
    device: str = "auto"
    batch_size: PositiveInt = 8
    language: str | None = None
    align_model: str | None = None


class WhisperX(Annotator):
    """A transcript with the times of its words."""

    name = "whisperx"
    version = "1"
    outputs = ("transcript",)
    Options = WhisperXOptions
    options: WhisperXOptions

    def __init__(self, options: Mapping[str, Any] | None = None) -> None:
        super().__init__(options)
        self.max_batch_clips = self.options.batch_size
        self.max_batch_s = self.options.batch_size * (HEARD_S + 1)
        self._whisper: Any = None
        self._aligner: _Aligner | None = None
        self._tokenizers: dict[str, Any] = {}
        self._weights = Path(self.options.model).name

    @classmethod
    def check(cls, options: Any) -> None:
        for package in ("faster_whisper", "ctranslate2"):
            if find_spec(package) is None:
                raise MissingPackage(package, "whisperx", "the annotator 'whisperx'")
        if options.align_model is not None:
            _check_alignment(options)
        if is_path(options.model):
            _check_folder(Path(options.model).expanduser())
        else:
            _check_hub(options.model)

    def load(self) -> None:
        """Load Whisper and the aligner.

        Raises
        ------
        ConfigError : a model is incomplete or cannot be had, or the device or the compute type is not there
        """
        from faster_whisper import WhisperModel

        device, index = _device(self.options.device)
        folder = _folder(self.options.model)
        _check_folder(folder)
        # CTranslate2 takes its number of threads from OMP_NUM_THREADS, which Ray sets to what an actor may use.
        self._whisper = WhisperModel(
            str(folder),
            device=device,
            device_index=index,
            compute_type=_compute_type(self.options.compute_type, device),
        )
        bands, expected = self._whisper.feature_extractor.mel_filters.shape[0], self._whisper.model.n_mels
        if bands != expected:
            raise ConfigError(
                f"annotators.whisperx.model: the model in {folder} hears {expected} mel bands and its preprocessor_config.json "
                f"makes {bands}"
            )
        if self.options.language is not None and self._known(self.options.language) is None:
            raise ConfigError(
                f"annotators.whisperx.language: the model in {folder} knows no language '{self.options.language}'"
            )
        if self.options.align_model is not None and self.options.language is not None:
            where = "cpu" if device == "cpu" else f"{device}:{index}"
            self._aligner = _Aligner(self.options.align_model, self.options.language, where)

    def annotate(self, clips: list[Clip]) -> list[Annotation]:
        for clip in clips:
            if not 0 < len(clip.samples) <= _SAMPLES + _TOLERANCE:
                raise ValueError(f"the clip is {clip.duration_s:.2f} s long; Whisper hears up to {HEARD_S:.0f} s")
        answers: dict[int, Annotation] = {}
        for language, indices in self._by_language(clips):
            heard = self._hear([clips[i] for i in indices], language)
            answers.update((i, Annotation({"transcript": one})) for i, one in zip(indices, heard, strict=True))
        return [answers[i] for i in range(len(clips))]

    def _by_language(self, clips: Sequence[Clip]) -> Iterator[tuple[str, list[int]]]:
        """Batches of clips in one language, because words are split and aligned by the rules of a language."""
        groups: dict[str | None, list[int]] = defaultdict(list)
        for index, clip in enumerate(clips):
            groups[self._known(self.options.language or clip.language)].append(index)
        for batch in _cut(groups.pop(None, []), self.options.batch_size):
            found = self._whisper.model.detect_language(self._whisper.encode(self._features([clips[i] for i in batch])))
            for index, languages in zip(batch, found, strict=True):
                groups[languages[0][0].strip("<|>")].append(index)
        for language, indices in groups.items():
            for batch in _cut(indices, self.options.batch_size):
                yield str(language), batch

    def _known(self, language: str | None) -> str | None:
        """The model's code for a language; None where it has to listen for it."""
        short = (language or "").lower().replace("_", "-").split("-")[0]
        if not self._whisper.model.is_multilingual:
            if short not in ("", "en"):
                raise ConfigError(f"annotators.whisperx.model: {self._weights} hears English only, not '{language}'")
            return "en"
        return short if short and self._whisper.hf_tokenizer.token_to_id(f"<|{short}|>") is not None else None

    def _features(self, clips: Sequence[Clip]) -> np.ndarray:
        """Log-mel spectrograms, (clips, bands, 3000) float32.

        The sound is padded, as the published Whisper does. faster-whisper pads the spectrogram with zeros, which are louder than
        the silence they stand for.
        """
        padded = np.zeros((len(clips), _SAMPLES), np.float32)
        for row, clip in zip(padded, clips, strict=True):
            row[: len(clip.samples)] = clip.samples[:_SAMPLES]
        return np.stack([self._whisper.feature_extractor(row)[:, :_FRAMES] for row in padded])

    def _hear(self, clips: Sequence[Clip], language: str) -> list[dict[str, Any]]:
        """Rows of ``manifests.schema.TRANSCRIPT`` for clips of one language."""
        tokenizer = self._tokenizer(language)
        encoded = self._whisper.encode(self._features(clips))
        prompt = self._whisper.get_prompt(tokenizer, [], without_timestamps=True)
        results = self._whisper.model.generate(
            encoded,
            [prompt] * len(clips),
            beam_size=_BEAMS,
            suppress_tokens=_not_spoken(tokenizer),
            return_scores=True,
            return_no_speech_prob=True,
        )
        heard = [_Heard.of(result, tokenizer) for result in results]
        words = self._words(clips, heard, tokenizer, encoded)
        return [
            {
                "text": one.text,
                "annotator": f"{self.name}@{self.version}+{self._weights}",
                "confidence": math.exp(one.logprob) if one.text else None,
                "words": timed,
            }
            for one, timed in zip(heard, words, strict=True)
        ]

    def _words(
        self, clips: Sequence[Clip], heard: Sequence["_Heard"], tokenizer: Any, encoded: Any
    ) -> list[list[dict[str, Any]] | None]:
        if self._aligner is not None:
            return [self._aligner.words(clip, one.text) for clip, one in zip(clips, heard, strict=True)]
        from faster_whisper.transcribe import merge_punctuations

        frames = [min(_FRAMES, -(-len(clip.samples) // _FRAME)) for clip in clips]
        found = self._whisper.find_alignment(tokenizer, [one.tokens for one in heard], encoded, frames)
        rows: list[list[dict[str, Any]] | None] = []
        for clip, words in zip(clips, found, strict=True):
            merge_punctuations(words, _OPENING, _CLOSING)
            rows.append(
                [
                    _word(word["word"], word["start"], word["end"], word["probability"], clip)
                    for word in words
                    if word["word"].strip()
                ]
            )
        return rows

    def _tokenizer(self, language: str) -> Any:
        from faster_whisper.tokenizer import Tokenizer

        if language not in self._tokenizers:
            multilingual = self._whisper.model.is_multilingual
            self._tokenizers[language] = Tokenizer(self._whisper.hf_tokenizer, multilingual, "transcribe", language)
        return self._tokenizers[language]


@dataclass(frozen=True, slots=True)
class _Heard:
    text: str
    tokens: list[int]
    logprob: float

    @classmethod
    def of(cls, result: Any, tokenizer: Any) -> "_Heard":
        """``logprob`` is the mean over the tokens of the best beam and the end that it chose."""
        tokens = [token for token in result.sequences_ids[0] if token < tokenizer.eot]
        length = len(result.sequences_ids[0])
        logprob = result.scores[0] * length / (length + 1)
        if result.no_speech_prob > _NO_SPEECH_PROBABILITY and logprob < _NO_SPEECH_LOGPROB:
            tokens = []
        return cls(tokenizer.decode(tokens).strip(), tokens, logprob)


class _Aligner:
    """The whisperx package's forced alignment with a wav2vec2."""

    def __init__(self, model: str, language: str, device: str) -> None:
        torchaudio_guard.install()
        from transformers import Wav2Vec2ForCTC, Wav2Vec2Processor

        with torchaudio_guard.stand_in():
            from whisperx.alignment import align
        # The package writes its log to stdout, where the results of our commands go.
        log = logging.getLogger("whisperx")
        log.handlers.clear()
        log.propagate = True
        log.setLevel(logging.ERROR)
        name = str(Path(model).expanduser()) if is_path(model) else model
        try:
            letters = Wav2Vec2Processor.from_pretrained(name).tokenizer.get_vocab()
            loaded: Any = Wav2Vec2ForCTC.from_pretrained(name, output_loading_info=True)
        except (OSError, ValueError) as error:
            raise ConfigError(f"annotators.whisperx.align_model: '{model}' cannot be loaded: {error}") from error
        network, loading = loaded
        # Only training needs the vector that masks a frame; several published models lack it.
        missing = [key for key in loading["missing_keys"] if not key.endswith("masked_spec_embed")]
        if missing:
            raise ConfigError(
                f"annotators.whisperx.align_model: '{model}' scores no letters, {len(missing)} weights are missing, "
                f"the first is {sorted(missing)[0]}"
            )
        self._align = align
        self._network = network.to(device).eval()
        self._device = device
        self._letters = {
            "language": language.lower().split("-")[0],
            "dictionary": {letter.lower(): number for letter, number in letters.items()},
            "type": "huggingface",
        }

    def words(self, clip: Clip, text: str) -> list[dict[str, Any]] | None:
        """Rows of ``manifests.schema.WORD``; a word that cannot be aligned has no time.

        None where the text as a whole cannot be aligned, because it has more letters than the clip has frames.
        """
        if not text:
            return []
        segment = {"start": 0.0, "end": clip.duration_s, "text": text}
        samples = np.ascontiguousarray(clip.samples, np.float32).copy()
        found = self._align([segment], self._network, self._letters, samples, self._device)
        words = [
            _word(word["word"], word.get("start"), word.get("end"), word.get("score"), clip)
            for word in found["word_segments"]
        ]
        return words or None


def _not_spoken(tokenizer: Any) -> list[int]:
    """Whisper's published list of tokens that no speech has: brackets, notes, and those that steer the model.

    The converter writes the list into config.json only for some models, so it is computed.
    """
    from faster_whisper.transcribe import get_suppressed_tokens

    return list(get_suppressed_tokens(tokenizer, [-1]))


def _word(word: str, start: Any, end: Any, confidence: Any, clip: Clip) -> dict[str, Any]:
    return {
        "word": word.strip(),
        "start_s": None if start is None else min(float(start), clip.duration_s),
        "end_s": None if end is None else min(float(end), clip.duration_s),
        "confidence": None if confidence is None else float(confidence),
    }


def _cut(indices: list[int], size: int) -> Iterator[list[int]]:
    return (indices[i : i + size] for i in range(0, len(indices), size))


def _device(asked: str) -> tuple[str, int]:
    """CTranslate2's device and its index."""
    import ctranslate2

    gpus = ctranslate2.get_cuda_device_count()
    if asked == "auto":
        return ("cuda", 0) if gpus else ("cpu", 0)
    name, _, index = asked.partition(":")
    if name not in ("cpu", "cuda") or not (index or "0").isdigit():
        raise ConfigError(f"annotators.whisperx.device: '{asked}' is none of auto, cpu, cuda, cuda:1")
    if name == "cuda" and int(index or 0) >= gpus:
        raise ConfigError(
            f"annotators.whisperx.device: '{asked}', but CTranslate2 sees {gpus} GPUs here. Use 'auto' or 'cpu'"
        )
    return name, int(index or 0)


def _compute_type(asked: str, device: str) -> str:
    import ctranslate2

    if asked == "auto":
        return "float16" if device == "cuda" else "int8"
    known = ctranslate2.get_supported_compute_types(device)
    if asked not in known:
        raise ConfigError(
            f"annotators.whisperx.compute_type: '{asked}' does not work on this {device}; these do: {', '.join(sorted(known))}"
        )
    return asked


def _check_folder(folder: Path) -> None:
    check_folder(
        "annotators.whisperx.model",
        folder,
        "Whisper in CTranslate2's format",
        # faster-whisper would fetch another model's tokenizer from the hub where the folder has none.
        ("model.bin", "config.json", "tokenizer.json", "vocabulary.*"),
        ". Make one with: ct2-transformers-converter --model openai/whisper-large-v3 --output_dir FOLDER "
        "--copy_files tokenizer.json preprocessor_config.json",
    )


def _check_hub(name: str) -> None:
    """Ask the hub once for the model, unless it is here already."""
    import faster_whisper
    from huggingface_hub import HfApi

    if "/" not in name and name not in faster_whisper.available_models():
        raise ConfigError(
            f"annotators.whisperx.model: '{name}' is no folder and no size of Whisper; the sizes are "
            f"{', '.join(faster_whisper.available_models())}"
        )
    if _cached(name) is not None:
        return
    # A size stands for a model of Systran; the newest one is another's, so only the hub itself is asked then.
    asked = name if "/" in name else "Systran/faster-whisper-tiny"
    try:
        HfApi().model_info(asked, timeout=10)
    except Exception as error:  # what the hub's client raises depends on its version and its transport
        raise ConfigError(_unreachable(name, error)) from error


def _cached(name: str) -> Path | None:
    from faster_whisper import download_model

    try:
        return Path(download_model(name, local_files_only=True))
    except (OSError, ValueError):
        return None


def _folder(model: str) -> Path:
    if is_path(model):
        return Path(model).expanduser()
    folder = _cached(model)
    if folder is not None:
        return folder
    from faster_whisper import download_model

    try:
        return Path(download_model(model))
    except Exception as error:  # as above
        raise ConfigError(_unreachable(model, error)) from error


def _unreachable(name: str, error: Exception) -> str:
    return (
        f"annotators.whisperx.model: '{name}' is no local folder and could not be had from the Hugging Face hub ({error}). "
        "Give the path of a folder that holds the model"
    )


def _check_alignment(options: WhisperXOptions) -> None:
    if options.language is None:
        raise ConfigError("annotators.whisperx.language: align_model scores the letters of one language; say which one")
    missing = [package for package in ("whisperx", "nltk") if find_spec(package) is None]
    if missing:
        # whisperx's own requirements hold torch and huggingface-hub at old versions, so it cannot be an extra.
        raise ConfigError(
            f"annotators.whisperx.align_model needs {' and '.join(missing)}. Install what it needs with: {_ALIGNMENT_INSTALL}"
        )
    import nltk

    try:
        nltk.data.find("tokenizers/punkt_tab/english/")
    except LookupError as error:
        raise ConfigError(
            f"annotators.whisperx.align_model needs nltk's sentence splitter. Download it with: {_SENTENCES_INSTALL}"
        ) from error
    if is_path(options.align_model or "") and not Path(options.align_model or "").expanduser().is_dir():
        raise ConfigError(f"annotators.whisperx.align_model: no such folder: {options.align_model}")
