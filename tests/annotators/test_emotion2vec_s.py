"""Emotion2Vec-S as an annotator: its features are those of the network, its votes those of the head."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from annotators.base import SAMPLE_RATE_HZ, Annotation, Annotator, Clip, Failure
from annotators.emotion2vec_plus import Emotion2VecPlus
from annotators.emotion2vec_s import Emotion2VecS
from manifests.errors import ConfigError
from manifests.features import values_of
from manifests.votes import consensus
from model import model_folder
from model.emotion2vec_s import Emotion2VecS as Network
from model.emotion2vec_s.loading import network_version
from model.model_folder import ModelError
from tests.annotators.small_emotion2vec import saved_network
from tests.annotators.voices import clip, voice
from tests.model.emotion2vec_s.released.released_files import PLUS_LABELS

CLIPS = [clip(i, seconds) for i, seconds in enumerate((1.3, 0.6, 2.7, 0.5, 1.3))]
SEVEN = ("angry", "disgusted", "fearful", "happy", "neutral", "sad", "surprised")


@pytest.fixture(scope="module")
def mute(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without a head."""
    return saved_network(tmp_path_factory.mktemp("weights") / "mute")


@pytest.fixture(scope="module")
def plus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With the nine classes of emotion2vec+, and its normalisation."""
    return saved_network(tmp_path_factory.mktemp("weights") / "plus", PLUS_LABELS, normalize=True)


def loaded(kind: type[Annotator], weights: Path, **options: object) -> Annotator:
    kind.check(kind.Options.model_validate({"weights": str(weights), **options}))
    annotator = kind({"weights": str(weights), "device": "cpu", **options})
    annotator.load()
    return annotator


def annotations(annotator: Annotator, clips: list[Clip]) -> list[Annotation]:
    answers = annotator.run(clips)
    assert all(isinstance(answer, Annotation) for answer in answers), answers
    return [answer for answer in answers if isinstance(answer, Annotation)]


@pytest.mark.parametrize(("mode", "shape"), [("first_frames", (10, 96)), ("tokens", (10, 96)), ("mean", (96,))])
def test_features_are_those_of_the_network(mode: str, shape: tuple[int, ...], mute: Path) -> None:
    network = Network.from_pretrained(mute).eval()
    for one, answer in zip(CLIPS, annotations(loaded(Emotion2VecS, mute, features=mode), CLIPS), strict=True):
        assert set(answer.fields) == {"features"}, "without a head there is no vote"
        (found,) = answer.fields["features"]
        with torch.no_grad():
            expected = network(torch.from_numpy(one.samples)[None]).utterance(mode)[0].numpy()
        assert (found["annotator"], found["mode"], found["shape"]) == ("emotion2vec_s", mode, list(shape))
        # Half precision keeps eleven bits.
        np.testing.assert_allclose(values_of(found).astype(np.float32), expected, rtol=2**-11, atol=1e-5)


def test_votes_are_those_of_the_head(plus: Path) -> None:
    network = Network.from_pretrained(plus).eval()
    confidences = []
    for one, answer in zip(CLIPS, annotations(loaded(Emotion2VecPlus, plus), CLIPS), strict=True):
        assert set(answer.fields) == {"votes"}
        (vote,) = answer.fields["votes"]
        with torch.no_grad():
            expected = network(torch.from_numpy(one.samples)[None]).logits[0].softmax(-1).tolist()
        assert [score["emotion"] for score in vote["scores"]] == [
            *("angry", "disgusted", "fearful", "happy", "neutral", "other", "sad", "surprised", "unknown")
        ]
        np.testing.assert_allclose([score["score"] for score in vote["scores"]], expected, atol=1e-5)
        best = max(vote["scores"], key=lambda score: score["score"])
        assert (vote["emotion"], vote["confidence"]) == (best["emotion"], best["score"])
        assert (vote["voter"], vote["modality"]) == ("emotion2vec_plus", "acoustic")
        confidences.append(vote["confidence"])
    assert np.ptp(confidences) > 0.01, "the clips must differ for this to show anything"


def with_head(folder: Path, weights: Path, labels: tuple[str, ...], winner: int) -> Path:
    """The same network with other names, and a head that always says one of them."""
    network = Network.from_pretrained(weights)
    with torch.no_grad():
        network.head[0].weight.zero_()
        network.head[0].bias.copy_(10.0 * torch.nn.functional.one_hot(torch.tensor(winner), len(labels)))
    network.config.labels = list(labels)
    network.save_pretrained(folder)
    return folder


def test_other_may_win_and_the_consensus_does_not_follow(plus: Path, tmp_path: Path) -> None:
    weights = with_head(tmp_path / "other", plus, PLUS_LABELS, PLUS_LABELS.index("其他/other"))
    (answer,) = annotations(loaded(Emotion2VecPlus, weights), CLIPS[:1])
    (vote,) = answer.fields["votes"]
    assert vote["emotion"] == "other" and vote["confidence"] > 0.99
    agreed = consensus([vote])
    assert agreed is not None and agreed["emotion"] is None and agreed["agreement"] == 0.0


def test_two_classes_of_one_emotion_are_one_score(plus: Path, tmp_path: Path) -> None:
    labels = ("joy", "excited", *SEVEN)
    weights = with_head(tmp_path / "joy", plus, labels, 1)
    (answer,) = annotations(loaded(Emotion2VecS, weights, features=None), CLIPS[:1])
    (vote,) = answer.fields["votes"]
    assert vote["emotion"] == "happy" and len(vote["scores"]) == 7
    assert sum(score["score"] for score in vote["scores"]) == pytest.approx(1.0)


def test_a_vote_and_its_features_say_which_network(mute: Path, plus: Path, tmp_path: Path) -> None:
    versions = {}
    for weights in (mute, plus):
        (answer,) = annotations(loaded(Emotion2VecS, weights), CLIPS[:1])
        said = {found["version"] for name in answer.fields for found in answer.fields[name]}
        (versions[weights],) = said
    assert len(set(versions.values())) == 2
    (again,) = annotations(loaded(Emotion2VecS, mute), CLIPS[:1])
    assert again.fields["features"][0]["version"] == versions[mute]
    normalized = shutil.copytree(mute, tmp_path / "normalized")
    config = json.loads((normalized / "config.json").read_text())
    (normalized / "config.json").write_text(json.dumps(config | {"normalize": True}))
    (other,) = annotations(loaded(Emotion2VecS, normalized), CLIPS[:1])
    assert other.fields["features"][0]["values"] != again.fields["features"][0]["values"]
    assert other.fields["features"][0]["version"] not in versions.values()


def test_a_name_that_moves_gives_the_classes_of_the_network_that_was_loaded(
    plus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = with_head(tmp_path / "first", plus, PLUS_LABELS, 0)
    moved = with_head(tmp_path / "moved", plus, PLUS_LABELS[::-1], 1)
    looked_up = iter((first, moved))
    annotator = Emotion2VecPlus({"weights": str(first), "device": "cpu"})
    monkeypatch.setattr(model_folder, "model_folder", lambda name: next(looked_up))
    annotator.load()
    (answer,) = annotations(annotator, CLIPS[:1])
    (vote,) = answer.fields["votes"]
    assert vote["emotion"] == "angry" and vote["confidence"] > 0.99
    assert vote["version"].endswith(f"+{network_version(first)}")


def test_a_clip_that_is_too_short_fails_alone(mute: Path) -> None:
    needed = 400 + 9 * 320
    short = Clip("short", voice(1.0, 150, 0)[: needed - 1], "en", None)
    enough = Clip("enough", voice(1.0, 150, 0)[:needed], "en", None)
    first_frames = loaded(Emotion2VecS, mute).run([*CLIPS, short, enough])
    assert [isinstance(answer, Failure) for answer in first_frames] == [False] * 5 + [True, False]
    assert first_frames[5] == Failure(
        "ValueError: the clip is too short: it has 0.205 s and 'first_frames' takes 10 frames, which is 0.205 s or more"
    )
    assert not any(isinstance(answer, Failure) for answer in loaded(Emotion2VecS, mute, features="mean").run([short]))
    (failure,) = loaded(Emotion2VecS, mute, features="mean").run([Clip("s", np.zeros(399, np.float32), None, None)])
    assert isinstance(failure, Failure) and "the network takes one frame or more, which is 0.025 s" in failure.error


def test_features_that_are_not_finite_fail_the_clip(mute: Path) -> None:
    broken = Clip("broken", np.full(SAMPLE_RATE_HZ, np.nan, np.float32), "en", None)
    good, bad = loaded(Emotion2VecS, mute).run([CLIPS[0], broken])
    assert isinstance(good, Annotation)
    assert isinstance(bad, Failure) and "not finite" in bad.error


def test_half_precision(plus: Path) -> None:
    """bfloat16 keeps eight bits: scores and features are near."""
    whole = annotations(loaded(Emotion2VecS, plus), CLIPS)
    for dtype in ("bfloat16", "float16"):
        for answer, exact in zip(annotations(loaded(Emotion2VecS, plus, dtype=dtype), CLIPS), whole, strict=True):
            near, true = ([score["score"] for score in a.fields["votes"][0]["scores"]] for a in (answer, exact))
            np.testing.assert_allclose(near, true, atol=0.03)
            near, true = (values_of(a.fields["features"][0]).astype(np.float32) for a in (answer, exact))
            assert 0 < np.abs(near - true).mean() < 0.05 * np.abs(true).mean()


def test_batches_are_cut_by_seconds(mute: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    annotator = loaded(Emotion2VecS, mute, batch_s=3.0)
    sizes, hear = [], annotator._hear
    monkeypatch.setattr(annotator, "_hear", lambda clips: sizes.append(len(clips)) or hear(clips))
    annotations(annotator, CLIPS)
    assert sizes == [1, 2, 2]


@pytest.mark.parametrize(
    ("labels", "features", "given"),
    [
        ((), "mean", ("features",)),
        ((), None, ()),
        (SEVEN, "tokens", ("votes", "features")),
        (SEVEN, None, ("votes",)),
    ],
)
def test_what_it_gives(labels: tuple[str, ...], features: str | None, given: tuple[str, ...], tmp_path: Path) -> None:
    weights = saved_network(tmp_path / "weights", labels)
    options = Emotion2VecS.Options.model_validate({"weights": str(weights), "features": features})
    assert Emotion2VecS.gives(options) == given


def refused(weights: Path, **options: object) -> str:
    with pytest.raises(ConfigError) as raised:
        loaded(Emotion2VecS, weights, **options)
    return str(raised.value)


def test_weights_that_are_not_a_converted_network(tmp_path: Path) -> None:
    key, convert = "annotators.emotion2vec_s.weights: ", "Convert it first: emotrove convert emotion2vec-s"
    assert refused(tmp_path / "none") == f"{key}No such folder: {tmp_path}/none"
    released = tmp_path / "released"
    released.mkdir()
    (released / "checkpoint.pt").write_bytes(b"PK")
    for weights in (released, released / "checkpoint.pt"):
        said = refused(weights)
        assert said.startswith(key) and f"{convert} {weights} FOLDER" in said


def test_plus_without_a_head(mute: Path) -> None:
    with pytest.raises(ConfigError, match=r"emotion2vec_plus\.weights: .*/mute has no head, so that it cannot vote"):
        loaded(Emotion2VecPlus, mute)


def test_weights_that_are_damaged(mute: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(mute, damaged)
    (damaged / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="cannot be loaded"):
        loaded(Emotion2VecS, damaged)


def test_a_class_that_is_no_emotion(tmp_path: Path) -> None:
    weights = saved_network(tmp_path / "weights", ("angry", "hangry"))
    said = refused(weights)
    assert "has a class that is none of ours: 'hangry' is not a known emotion" in said and "config.json" in said
    config = json.loads((weights / "config.json").read_text())
    (weights / "config.json").write_text(json.dumps({**config, "labels": ["angry", "sad"]}))
    loaded(Emotion2VecS, weights)


@pytest.mark.parametrize(
    ("device", "said"), [("cuda", "torch sees no GPU here"), ("tpu9", "'tpu9' is no device of torch")]
)
def test_a_device_that_is_not_here(device: str, said: str, mute: Path) -> None:
    if device == "cuda" and torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    assert f"annotators.emotion2vec_s.device: '{device}'" in refused(mute, device=device)
    assert said in refused(mute, device=device)
