"""SenseVoice through FunASR, on an untrained network in the released model's own files."""

import logging
import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotators.base import SAMPLE_RATE_HZ, Annotation, Clip, Failure
from annotators.sensevoice import SenseVoice, SenseVoiceOptions, written_emotion, written_words
from manifests.emotions import Emotion
from manifests.errors import ConfigError, MissingPackage
from tests.annotators import tiny_sensevoice
from tests.annotators.voices import clip
from tests.packages import require

EMOTIONS = {"happy", "sad", "angry", "neutral", "fearful", "disgusted", "surprised", "unknown"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    for package in ("funasr", "kaldi_native_fbank"):
        require(package, "pip install 'emotrove[sensevoice]'")
    return tiny_sensevoice.save(tmp_path_factory.mktemp("SenseVoiceTiny"))


@pytest.fixture(scope="module")
def annotator(folder: Path) -> SenseVoice:
    made = SenseVoice({"model": str(folder), "device": "cpu"})
    made.load()
    return made


@pytest.fixture(scope="module")
def clips() -> list[Clip]:
    return [
        clip(n, s, p)
        for n, (s, p) in enumerate([(0.5, 110), (3.1, 220), (7.77, 95), (1.3, 300), (4.0, 180), (2.2, 140)])
    ]


def annotation(answer: Annotation | Failure) -> Annotation:
    assert isinstance(answer, Annotation), answer
    return answer


def scores(answer: Annotation) -> np.ndarray:
    return np.array([row["score"] for row in answer.fields["votes"][0]["scores"]])


def test_a_clip_gets_words_and_a_vote_with_the_scores_of_the_network(annotator: SenseVoice, clips: list[Clip]) -> None:
    for answer in map(annotation, annotator.run(clips)):
        (vote,) = answer.fields["votes"]
        assert vote["voter"] == "sensevoice" and vote["modality"] == "both"
        assert {row["emotion"] for row in vote["scores"]} == EMOTIONS
        assert scores(answer).sum() == pytest.approx(1)
        transcript = answer.fields["transcript"]
        assert transcript["text"] and "<|" not in transcript["text"]
        assert 0 < transcript["confidence"] < 1


def test_the_scores_are_those_of_the_encoder_at_the_emotion_question(annotator: SenseVoice, clips: list[Clip]) -> None:
    """Computed a second way, from the parts of the network by hand."""
    import torch
    from funasr.utils.load_utils import extract_fbank

    network, parts = annotator._funasr.model, annotator._funasr.kwargs
    one = clips[1]
    features, length = extract_fbank([torch.tensor(one.samples)], data_type="sound", frontend=parts["frontend"])
    with torch.no_grad():
        questions = network.embed(torch.tensor([[network.lid_dict["en"], 1, 2, network.textnorm_dict["withitn"]]]))
        encoded, _ = network.encoder(torch.cat([questions, features], dim=1), length + 4)
        answer = network.ctc.ctc_lo(encoded)[0, 1]
    ids = {tag.lower(): number for number, tag in tiny_sensevoice.TAGS.items() if tag.isupper()}
    ids["unknown"] = ids.pop("emo_unknown")
    expected = torch.softmax(answer[[ids[name] for name in sorted(EMOTIONS)]], dim=-1).numpy()
    (vote,) = annotation(annotator.run([one])[0]).fields["votes"]
    given = {row["emotion"]: row["score"] for row in vote["scores"]}
    np.testing.assert_allclose([given[name] for name in sorted(EMOTIONS)], expected, atol=1e-5)
    written = tiny_sensevoice.TAGS.get(int(answer.argmax()))
    if written and written.isupper():
        assert vote["confidence"] == given[vote["emotion"]] == max(given.values())


def test_the_answer_does_not_depend_on_the_batch(annotator: SenseVoice, clips: list[Clip]) -> None:
    together = [annotation(answer) for answer in annotator.annotate(clips)]
    alone = [annotation(annotator.annotate([one])[0]) for one in clips]
    assert len({answer.fields["transcript"]["text"] for answer in alone}) > 1, "clips that sound alike prove nothing"
    for a, b in zip(together, alone, strict=True):
        assert a.fields["transcript"]["text"] == b.fields["transcript"]["text"]
        assert a.fields["votes"][0]["emotion"] == b.fields["votes"][0]["emotion"]
        assert a.fields["transcript"]["confidence"] == pytest.approx(b.fields["transcript"]["confidence"], abs=1e-4)
        np.testing.assert_allclose(scores(a), scores(b), atol=1e-4)


def test_the_same_clip_twice_gives_the_same_numbers(annotator: SenseVoice, clips: list[Clip]) -> None:
    first, second = (annotation(annotator.run(clips[:1])[0]) for _ in range(2))
    assert first == second


def test_clips_of_several_languages_share_a_batch(annotator: SenseVoice) -> None:
    clips = [clip(n, 2.0, 150, language) for n, language in enumerate(["en", "zh-CN", None, "de", "ko", "en"])]
    answers = [annotation(answer) for answer in annotator.run(clips)]
    for one, answer in zip(clips, answers, strict=True):
        np.testing.assert_allclose(scores(answer), scores(annotation(annotator.run([one])[0])), atol=1e-4)
        # German is no language of SenseVoice: it may be asked for the emotion, not for words.
        assert ("transcript" in answer.fields) == (one.language != "de")


def test_silence_and_long_clips_have_finite_scores(annotator: SenseVoice) -> None:
    silence = Clip("silence", np.zeros(SAMPLE_RATE_HZ, np.float32), "en", None)
    for answer in map(annotation, annotator.run([silence, clip(9, 30.0)])):
        assert np.isfinite(scores(answer)).all()


def test_a_clip_that_cannot_be_heard_fails_alone(annotator: SenseVoice, clips: list[Clip]) -> None:
    # Either would end the process inside the feature library.
    empty, short = (Clip("short", np.zeros(n, np.float32), "en", None) for n in (0, 3))
    answers = annotator.run([clips[0], empty, clips[1], short])
    assert [isinstance(answer, Failure) for answer in answers] == [False, True, False, True]


@pytest.mark.parametrize(
    ("text", "words", "emotion"),
    [
        ("<|en|><|HAPPY|><|Speech|><|withitn|>Nice to see you.", "Nice to see you.", Emotion.HAPPY),
        ("<|zh|><|EMO_UNKNOWN|><|BGM|><|woitn|>你好", "你好", Emotion.UNKNOWN),
        ("<|nospeech|><|Event_UNK|>", "", None),
        ("<|ja|><|Speech|><|SAD|>はい <|ANGRY|> いいえ", "はい いいえ", Emotion.SAD),
        ("<|sad|>a < b |> c", "a < b |> c", None),
    ],
)
def test_the_rich_text_is_read(text: str, words: str, emotion: Emotion | None) -> None:
    assert written_words(text) == words
    assert written_emotion(text) == emotion


def test_loading_and_annotating_leave_the_process_as_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch

    def state() -> tuple[Any, ...]:
        drawn = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
        return *drawn, torch.get_num_threads(), list(root.handlers), root.level, root.manager.disable

    # Each is set to what FunASR would change: it seeds with 0, and adds a handler where there is none.
    root, threads = logging.getLogger(), torch.get_num_threads()
    monkeypatch.setattr(root, "handlers", [])
    random.seed(4711)
    np.random.seed(4711)
    torch.manual_seed(4711)
    torch.set_num_threads(1)
    try:
        before = state()
        annotator = SenseVoice({"model": str(folder), "device": "cpu"})
        annotator.load()
        annotator.run([clip(1, 1.0)])
        assert state() == before
    finally:
        torch.set_num_threads(threads)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("damage", ["missing", "shape"])
def test_a_checkpoint_that_does_not_fit_is_refused(folder: Path, tmp_path: Path, damage: str) -> None:
    import shutil

    import torch

    broken = Path(shutil.copytree(folder, tmp_path / "broken"))
    weights = torch.load(broken / "model.pt", weights_only=True)
    name = "encoder.tp_norm.weight"
    tensor = weights.pop(name)
    if damage == "shape":
        weights[name] = torch.cat([tensor, tensor])
    torch.save(weights, broken / "model.pt")
    with pytest.raises(
        ConfigError, match=r"1 weights are missing or of another shape, the first is encoder\.tp_norm\.weight"
    ):
        SenseVoice({"model": str(broken), "device": "cpu"}).load()


def test_a_folder_that_is_no_model_is_refused_at_once(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such folder"):
        SenseVoice.check(SenseVoiceOptions(model=str(tmp_path / "nowhere")))
    with pytest.raises(ConfigError, match=r"lacks config\.yaml, model\.pt"):
        SenseVoice.check(SenseVoiceOptions(model=str(tmp_path)))
    SenseVoice.check(SenseVoiceOptions(model=str(folder)))


def test_a_hub_that_cannot_be_reached_is_said_at_once(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A loopback port on which nothing listens stands for a machine without the net.
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path))
    with pytest.raises(ConfigError, match="could not be had from ModelScope"):
        SenseVoice.check(SenseVoiceOptions(model="nobody/no-such-model"))


def test_a_gpu_that_is_not_there_is_said(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="sees no GPU"):
        SenseVoice({"model": str(folder), "device": "cuda"}).load()


def test_without_funasr_the_check_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotators.sensevoice.find_spec", lambda name: None)
    with pytest.raises(MissingPackage, match=r"pip install 'emotrove\[sensevoice\]'"):
        SenseVoice.check(SenseVoiceOptions())


def test_the_module_imports_without_the_heavy_libraries() -> None:
    import subprocess

    code = "import sys, annotators.sensevoice as s; print([m for m in ('torch', 'funasr', 'modelscope') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
