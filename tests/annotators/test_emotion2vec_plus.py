"""emotion2vec+ through our network says what FunASR says of the same checkpoint."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

from annotators.base import SAMPLE_RATE_HZ, Annotation, Clip
from annotators.emotion2vec_plus import Emotion2VecPlus
from annotators.sensevoice import undisturbed
from manifests.features import values_of
from model.emotion2vec_s.released.conversion import convert
from tests.annotators.funasr_emotion2vec import save_funasr_model
from tests.model.emotion2vec_s.released.released_files import PLUS_LABELS
from tests.packages import require


@pytest.fixture(scope="module")
def clips(shared_data: Path) -> list[Clip]:
    """Real speech of several lengths."""
    found = []
    for i, path in enumerate(sorted((shared_data / "librispeech").glob("*.flac"))[:4]):
        samples, rate = sf.read(path, dtype="float32")
        assert rate == SAMPLE_RATE_HZ
        found.append(Clip(path.stem, samples[: round((1.1 + 1.3 * i) * rate)], "en", None))
    return found


@pytest.fixture(scope="module", params=[(4, 64), (12, 96)], ids=["4 heads", "12 heads"])
def released(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    require("funasr", "pip install 'emotrove[sensevoice]'")
    with undisturbed():
        return save_funasr_model(tmp_path_factory.mktemp("funasr") / "released", *request.param)


@pytest.fixture(scope="module")
def said_by_funasr(released: Path, clips: list[Clip]) -> list[dict[str, Any]]:
    """Its own answer for each clip, one at a time as it takes them."""
    with undisturbed():
        from funasr import AutoModel

        model = AutoModel(model=str(released), disable_update=True, device="cpu", disable_pbar=True, ncpu=1)
        return [
            model.generate(clip.samples, granularity="utterance", extract_embedding=True, disable_pbar=True)[0]
            for clip in clips
        ]


@pytest.fixture(scope="module")
def ours(released: Path, tmp_path_factory: pytest.TempPathFactory) -> Emotion2VecPlus:
    converted = tmp_path_factory.mktemp("converted") / "plus"
    convert(released, converted)
    annotator = Emotion2VecPlus({"weights": str(converted), "features": "mean", "device": "cpu"})
    annotator.load()
    return annotator


def test_scores_and_features_are_those_of_funasr(
    ours: Emotion2VecPlus, clips: list[Clip], said_by_funasr: list[dict[str, Any]]
) -> None:
    for said, answer in zip(said_by_funasr, ours.run(clips), strict=True):
        assert isinstance(answer, Annotation), answer
        (vote,) = answer.fields["votes"]
        assert said["labels"] == list(PLUS_LABELS)
        np.testing.assert_allclose([score["score"] for score in vote["scores"]], said["scores"], atol=1e-4)
        (found,) = answer.fields["features"]
        # What is written has half precision, so the network itself is compared below.
        np.testing.assert_allclose(values_of(found).astype(np.float32), said["feats"], rtol=2**-10, atol=1e-4)
    heard = ours._hear(clips)
    np.testing.assert_allclose(heard.utterance("mean").numpy(), [said["feats"] for said in said_by_funasr], atol=1e-4)


def test_the_clips_differ(said_by_funasr: list[dict[str, Any]]) -> None:
    """Guards the test above."""
    assert np.ptp([said["scores"] for said in said_by_funasr], axis=0).max() > 0.01
    assert np.ptp([said["feats"] for said in said_by_funasr], axis=0).max() > 0.1
