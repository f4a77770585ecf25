"""WhisperX on an untrained Whisper in CTranslate2's own format and an untrained wav2vec2."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from annotators import torchaudio_guard
from annotators.base import Annotation, Clip, Failure
from annotators.whisperx_asr import WhisperX, WhisperXOptions
from manifests.errors import ConfigError, MissingPackage
from tests.annotators import tiny_whisper
from tests.annotators.voices import clip
from tests.packages import require

INSTALL = "pip install 'emotrove[whisperx]'"
ALIGNMENT_INSTALL = "pip install nltk && pip install --no-deps whisperx==3.8.6"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require("faster_whisper", INSTALL)
    return tiny_whisper.save(tmp_path_factory.mktemp("whisper") / "tiny")


@pytest.fixture(scope="module")
def annotator(folder: Path) -> WhisperX:
    made = WhisperX({"model": str(folder), "device": "cpu", "batch_size": 4})
    made.load()
    return made


@pytest.fixture(scope="module")
def aligner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require("whisperx", ALIGNMENT_INSTALL)
    require("nltk", ALIGNMENT_INSTALL)
    import nltk

    nltk.data.path.insert(0, str(tiny_whisper.save_sentence_splitter(tmp_path_factory.mktemp("nltk"))))
    return tiny_whisper.save_aligner(tmp_path_factory.mktemp("wav2vec2") / "tiny")


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    return [
        clip(n, s, p)
        for n, (s, p) in enumerate([(0.5, 110), (3.1, 220), (17.7, 95), (1.3, 300), (30.0, 180), (9.2, 140)])
    ]


def transcript(answer: Annotation | Failure) -> dict:
    assert isinstance(answer, Annotation), answer
    assert set(answer.fields) == {"transcript"}
    return answer.fields["transcript"]


def assert_same(a: dict, b: dict) -> None:
    assert a["text"] == b["text"]
    assert a["confidence"] == pytest.approx(b["confidence"], abs=1e-4)
    assert (a["words"] is None) == (b["words"] is None)
    if a["words"] is None:
        return
    assert [word["word"] for word in a["words"]] == [word["word"] for word in b["words"]]
    for name in ("start_s", "end_s", "confidence"):
        values = ([word[name] for word in given["words"]] for given in (a, b))
        np.testing.assert_allclose(*(np.array(each, float) for each in values), atol=1e-4)


def test_a_clip_gets_words_with_their_times(annotator: WhisperX, clips: list[Clip]) -> None:
    for one, given in zip(clips, map(transcript, annotator.run(clips)), strict=True):
        assert given["text"] and given["annotator"].startswith("whisperx@")
        assert 0 < given["confidence"] <= 1
        assert " ".join(word["word"] for word in given["words"]).replace(" ", "") == given["text"].replace(" ", "")
        for word in given["words"]:
            assert type(word["start_s"]) is float and type(word["end_s"]) is float
            # A word that began in the padding would start at the very end.
            assert 0 <= word["start_s"] <= word["end_s"] <= one.duration_s != word["start_s"]
            assert type(word["confidence"]) is float and 0 <= word["confidence"] <= 1


def test_the_text_and_its_confidence_are_those_of_faster_whisper(
    folder: Path, annotator: WhisperX, clips: list[Clip]
) -> None:
    """A second way: faster-whisper's own pipeline, which takes one file, cut where we say."""
    from faster_whisper import BatchedInferencePipeline, WhisperModel

    one = next(each for each in clips if each.duration_s == 30.0)  # where padding cannot make a difference
    pipeline = BatchedInferencePipeline(WhisperModel(str(folder), device="cpu", compute_type="int8"))
    whole = [{"start": 0.0, "end": 30.0}]
    segments, _ = pipeline.transcribe(one.samples, language="en", clip_timestamps=whole, vad_filter=False)
    (segment,) = segments
    given = transcript(annotator.run([one])[0])
    assert given["text"] == segment.text.strip()
    assert np.log(given["confidence"]) == pytest.approx(segment.avg_logprob, abs=1e-4)


def test_the_answer_does_not_depend_on_the_batch(annotator: WhisperX, clips: list[Clip]) -> None:
    together = [transcript(answer) for answer in annotator.annotate(clips)]
    alone = [transcript(annotator.annotate([one])[0]) for one in clips]
    assert len({given["text"] for given in alone}) > 1, "clips that sound alike prove nothing"
    for a, b in zip(together, alone, strict=True):
        assert_same(a, b)


def test_clips_of_several_languages_share_a_batch(annotator: WhisperX) -> None:
    given = ["EN", "zh-CN", None, "de", None, "en"]
    clips = [clip(n, 1.0 + n, 100 + 40 * n, language) for n, language in enumerate(given)]
    for one, answer in zip(clips, annotator.run(clips), strict=True):
        assert_same(transcript(answer), transcript(annotator.run([one])[0]))


def test_the_language_is_heard_where_none_is_given(annotator: WhisperX, clips: list[Clip]) -> None:
    silent = [Clip(one.utterance_id, one.samples, None, None) for one in clips]
    heard = {language for language, _ in annotator._by_language(silent)}
    assert heard and heard <= set(tiny_whisper.LANGUAGES)
    (asked,) = {language for language, _ in annotator._by_language([clip(1, 1.0, language="ja")])}
    assert asked == "ja"


def test_the_language_of_the_options_holds_for_all(folder: Path) -> None:
    annotator = WhisperX({"model": str(folder), "device": "cpu", "language": "de"})
    annotator.load()
    clips = [clip(1, 1.0, language="en"), clip(2, 1.0, language=None)]
    assert [language for language, _ in annotator._by_language(clips)] == ["de"]


def test_where_nobody_speaks_there_are_no_words(annotator: WhisperX, monkeypatch: pytest.MonkeyPatch) -> None:
    # The untrained network is sure of speech everywhere, so the rule is given a threshold that it crosses.
    monkeypatch.setattr("annotators.whisperx_asr._NO_SPEECH_PROBABILITY", -1.0)
    monkeypatch.setattr("annotators.whisperx_asr._NO_SPEECH_LOGPROB", 0.0)
    given = [transcript(answer) for answer in annotator.run([clip(1, 1.0), clip(2, 2.0)])]
    assert [(each["text"], each["confidence"], each["words"]) for each in given] == [("", None, [])] * 2


def test_a_clip_longer_than_whisper_hears_fails_alone(annotator: WhisperX) -> None:
    clips = [clip(1, 1.0), clip(2, 30.05), clip(3, 31.0), Clip("empty", np.zeros(0, np.float32), "en", None)]
    assert [isinstance(answer, Failure) for answer in annotator.run(clips)] == [False, False, True, True]


def test_the_alignment_gives_the_times(
    folder: Path, aligner: Path, clips: list[Clip], capfd: pytest.CaptureFixture[str]
) -> None:
    options = {"model": str(folder), "device": "cpu", "language": "en", "align_model": str(aligner)}
    WhisperX.check(WhisperXOptions(**options))
    annotator = WhisperX(options)
    annotator.load()
    plain = WhisperX({**options, "align_model": None})
    plain.load()
    aligned = [transcript(answer) for answer in annotator.run(clips)]
    for one, given, by_attention in zip(clips, aligned, map(transcript, plain.run(clips)), strict=True):
        assert_same(given, transcript(annotator.run([one])[0]))
        assert given["text"] == by_attention["text"]
        if given["words"] is None:
            assert one.duration_s < 1, "only the shortest clip has fewer frames than letters"
            continue
        assert "".join(word["word"] for word in given["words"]) == given["text"].replace(" ", "")
        for word in given["words"]:
            assert {type(word[name]) for name in ("start_s", "end_s", "confidence")} <= {float, type(None)}
    starts = [[word["start_s"] for word in given["words"] or ()] for given in aligned]
    assert any(value is not None for each in starts for value in each)
    assert capfd.readouterr().out == ""
    assert "torchaudio" not in sys.modules or hasattr(sys.modules["torchaudio"], "functional")


def test_an_aligner_without_its_letters_is_refused(folder: Path, aligner: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = Path(shutil.copytree(aligner, tmp_path / "broken"))
    weights = load_file(broken / "model.safetensors")
    save_file(
        {k: v for k, v in weights.items() if not k.startswith("lm_head")},
        broken / "model.safetensors",
        {"format": "pt"},
    )
    annotator = WhisperX({"model": str(folder), "device": "cpu", "language": "en", "align_model": str(broken)})
    with pytest.raises(ConfigError, match=r"2 weights are missing, the first is lm_head\.bias"):
        annotator.load()


def test_what_the_alignment_needs_is_said_at_once(
    folder: Path, aligner: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import nltk

    asked = {"model": str(folder), "align_model": str(aligner)}
    with pytest.raises(ConfigError, match="say which one"):
        WhisperX.check(WhisperXOptions(**asked))
    with pytest.raises(ConfigError, match="no such folder"):
        WhisperX.check(WhisperXOptions(model=str(folder), language="en", align_model=str(tmp_path / "nowhere")))
    with monkeypatch.context() as patched:
        patched.setattr(nltk.data, "path", [str(tmp_path)])
        with pytest.raises(ConfigError, match=r"python -m nltk\.downloader punkt_tab"):
            WhisperX.check(WhisperXOptions(**asked, language="en"))
    monkeypatch.setattr("annotators.whisperx_asr.find_spec", lambda name: None if name == "whisperx" else name)
    with pytest.raises(ConfigError, match="pip install --no-deps whisperx"):
        WhisperX.check(WhisperXOptions(**asked, language="en"))


def test_a_folder_that_is_no_model_is_refused_at_once(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        WhisperX.check(WhisperXOptions(model=str(tmp_path / "nowhere")))
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "tokenizer.json").unlink()
    with pytest.raises(ConfigError, match=r"lacks tokenizer\.json"):
        WhisperX.check(WhisperXOptions(model=str(copy)))
    WhisperX.check(WhisperXOptions(model=str(folder)))


def test_a_folder_with_another_models_features_is_refused(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    features = json.loads((copy / "preprocessor_config.json").read_text())
    (copy / "preprocessor_config.json").write_text(json.dumps({**features, "feature_size": 128}))
    with pytest.raises(ConfigError, match="hears 80 mel bands"):
        WhisperX({"model": str(copy), "device": "cpu"}).load()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("language", "xx", "no language 'xx'"),
        ("device", "tpu", "none of auto, cpu"),
        ("compute_type", "int3", "these do: "),
    ],
)
def test_a_wrong_option_is_said(folder: Path, option: str, value: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        WhisperX({"model": str(folder), "device": "cpu", option: value}).load()


def test_a_name_that_is_no_size_is_refused_with_the_sizes() -> None:
    require("faster_whisper", INSTALL)
    with pytest.raises(ConfigError, match="large-v3"):
        WhisperX.check(WhisperXOptions(model="large-v33"))


def test_a_hub_that_cannot_be_reached_is_said_at_once() -> None:
    require("faster_whisper", INSTALL)
    code = (
        "from annotators.whisperx_asr import WhisperX, WhisperXOptions\n"
        "from manifests.errors import ConfigError\n"
        "try: WhisperX.check(WhisperXOptions(model='nobody/no-such-model'))\n"
        "except ConfigError as error: print(error)"
    )
    # A loopback port on which nothing listens stands for a machine without the net; the hub's client reads it when imported.
    import os

    environment = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=60)
    assert "could not be had from the Hugging Face hub" in done.stdout


def test_without_faster_whisper_the_check_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotators.whisperx_asr.find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=r"pip install 'emotrove\[whisperx\]'"):
        WhisperX.check(WhisperXOptions())


def test_the_module_imports_without_the_heavy_libraries() -> None:
    heavy = "('torch', 'faster_whisper', 'ctranslate2', 'whisperx', 'nltk', 'huggingface_hub')"
    code = f"import sys, annotators.whisperx_asr; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_torchaudio_built_for_cuda_is_importable_on_cpu_torch(tmp_path: Path) -> None:
    """A package that fails as the real one does: its extension module raises OSError when it is imported."""
    import torch

    if torch.version.cuda is not None:
        pytest.skip("torch is not a CPU build")
    package = tmp_path / "torchaudio"
    (package / "_extension").mkdir(parents=True)
    (package / "__init__.py").write_text(
        "from . import _extension\nworks = not _extension._IS_TORCHAUDIO_EXT_AVAILABLE\n"
    )
    (package / "_extension" / "__init__.py").write_text(
        "raise OSError('libcudart.so.13: cannot open shared object file')\n"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from annotators import torchaudio_guard\n"
        "torchaudio_guard.install(); torchaudio_guard.install()\n"
        "import torchaudio; print(torchaudio.works)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "True", done.stderr


def test_the_stand_in_is_gone_after_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torchaudio_guard, "find_spec", lambda name: None)
    monkeypatch.delitem(sys.modules, "torchaudio", raising=False)
    with torchaudio_guard.stand_in():
        import torchaudio

        assert isinstance(torchaudio, ModuleType) and torchaudio.pipelines.__all__ == []
    assert "torchaudio" not in sys.modules
