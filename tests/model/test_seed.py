import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from manifests.emotions import CLASSES
from manifests.errors import InputError
from model.seed import SeedClassifier, SeedConfig, load_seed, save_seed
from model.seed.clips import N_STATISTICS, make_views, read_labelled_clips
from model.seed.network import SHIPPED
from model.seed.train import expected_calibration_error, fit, fit_temperature, summarise, train_seed

RATE = 16000


def buzz(duration_s: float, f0_hz: float, seed: int = 0) -> np.ndarray:
    """A voice-like sound: harmonics with a slow swing of pitch and level, over a little noise."""
    rng = np.random.default_rng(seed)
    t = np.arange(int(duration_s * RATE)) / RATE
    phase = 2 * np.pi * f0_hz * (t + 0.01 * np.sin(2 * np.pi * 3 * t))
    tone = sum(np.sin(k * phase) / k for k in range(1, 12))
    level = 0.1 * (1.1 + np.sin(2 * np.pi * 4 * t + seed))
    return (level * tone * 0.5 + 0.001 * rng.standard_normal(len(t))).astype(np.float32)


@pytest.fixture(scope="module")
def shipped() -> SeedClassifier:
    return load_seed()


@pytest.fixture(scope="module")
def shard(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """A real tar of 70 short mp3s whose pitch tells the class, in two folds, and its truth; one clip is of class calm."""
    folder = tmp_path_factory.mktemp("seed")
    rows = []
    with tarfile.open(folder / "EN-B000000.tar", "w") as tar:
        for i in range(71):
            emotion = str(CLASSES[i % 7]) if i < 70 else "calm"
            key = f"EN_B00000_S{i // 35:05d}_W{i:06d}"
            rows.append({"id": key, "emotion": emotion, "emobox_test_fold": 1 + i // 35})
            encoded = io.BytesIO()
            soundfile.write(encoded, buzz(0.4 + 0.005 * i, 90 + 45 * (i % 7), i), RATE, format="MP3")
            for name, body in ((f"{key}.json", b"{}"), (f"{key}.mp3", encoded.getvalue())):
                info = tarfile.TarInfo(name)
                info.size = len(body)
                tar.addfile(info, io.BytesIO(body))
    (folder / "truth.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(folder / "EN-B000000.tar"), str(folder / "truth.jsonl")


def test_shipped_weights_are_small_and_say_what_they_are(shipped: SeedClassifier) -> None:
    assert (SHIPPED / "model.safetensors").stat().st_size <= 2_000_000
    assert shipped.config.labels == [str(c) for c in CLASSES]
    assert shipped.config.sample_rate == RATE
    assert 0.2 < shipped.config.calibration_temperature < 5
    assert shipped.config.version
    assert "CC BY-NC-SA 4.0" in (SHIPPED / "README.md").read_text("utf-8")


def test_gives_one_logit_per_class(shipped: SeedClassifier) -> None:
    waveforms = torch.from_numpy(np.stack([buzz(1, 120), buzz(1, 220)]))
    lengths = torch.tensor([RATE, RATE // 2])
    with torch.inference_mode():
        assert shipped(waveforms, lengths).shape == (2, 7)
        torch.testing.assert_close(shipped.probabilities(waveforms, lengths).sum(1), torch.ones(2))


def test_temperature_scales_the_logits(shipped: SeedClassifier) -> None:
    clip = torch.from_numpy(buzz(1, 120))[None]
    with torch.inference_mode():
        logits = shipped(clip, torch.tensor([RATE]))
        expected = torch.softmax(logits / shipped.config.calibration_temperature, 1).numpy()
    np.testing.assert_allclose(shipped.predict([clip[0].numpy()]), expected, atol=1e-6)


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4, 5], [5, 3, 1, 4, 2, 0], [2, 1, 0, 5, 4, 3]])
def test_a_clip_does_not_depend_on_its_neighbours(shipped: SeedClassifier, order: list[int]) -> None:
    silence = np.zeros(RATE, np.float32)
    clips = [buzz(0.1, 200), buzz(12, 110, 1), buzz(2.345, 300, 2), silence, buzz(0.7, 150, 3), buzz(30, 180, 4)]
    alone = np.concatenate([shipped.predict([clip]) for clip in clips])
    together = shipped.predict([clips[i] for i in order], batch_s=1e9)
    np.testing.assert_allclose(together, alone[order], atol=1e-5)
    np.testing.assert_allclose(shipped.predict([clips[i] for i in order], batch_s=25), alone[order], atol=1e-5)


def test_what_lies_behind_the_end_is_not_heard(shipped: SeedClassifier) -> None:
    clip = buzz(1.5, 170)
    padded = torch.from_numpy(np.concatenate([clip, buzz(3, 300)]))[None]
    with torch.inference_mode():
        heard = shipped.probabilities(padded, torch.tensor([len(clip)])).numpy()
    np.testing.assert_allclose(heard, shipped.predict([clip]), atol=1e-5)


def test_gain_hardly_matters(shipped: SeedClassifier) -> None:
    clip = buzz(2, 170)
    np.testing.assert_allclose(shipped.predict([clip * 0.05]), shipped.predict([clip]), atol=1e-3)


def test_a_single_sample_and_no_clip_at_all(shipped: SeedClassifier) -> None:
    assert np.isfinite(shipped.predict([np.ones(1, np.float32)])).all()
    assert shipped.predict([]).shape == (0, 7)


@pytest.mark.parametrize("clip", [np.zeros(0), np.zeros((2, 100)), np.array([0.0, np.nan])])
def test_refuses_what_is_no_waveform(shipped: SeedClassifier, clip: np.ndarray) -> None:
    with pytest.raises(InputError, match="clip 1 "):
        shipped.predict([buzz(1, 120), clip.astype(np.float32)])


def test_save_and_load(tmp_path: Path) -> None:
    model = SeedClassifier(SeedConfig(calibration_temperature=0.7, version="9")).eval()
    save_seed(model, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["config.json", "model.safetensors"]
    clips = [buzz(1, 130), buzz(0.5, 260)]
    loaded = load_seed(tmp_path)
    assert (loaded.config.calibration_temperature, loaded.config.version) == (0.7, "9")
    np.testing.assert_allclose(loaded.predict(clips), model.predict(clips), atol=1e-3)  # stored as float16
    by_transformers = SeedClassifier.from_pretrained(tmp_path)
    np.testing.assert_array_equal(by_transformers.predict(clips), loaded.predict(clips))


def test_load_names_the_folder_that_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no-such-folder"):
        load_seed(tmp_path / "no-such-folder")
    save_seed(SeedClassifier(SeedConfig()), tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "n_tdnn": 3}))
    with pytest.raises(InputError, match="no usable seed classifier"):
        load_seed(tmp_path)


def test_training_is_deterministic_and_learns(shard: tuple[str, str]) -> None:
    clips = read_labelled_clips([shard[0]], shard[1])
    assert len(clips) == 70  # calm is left out
    labels = torch.tensor([clip.label for clip in clips])
    views = make_views(clips, 2, 0, lambda text: None)
    assert views.statistics.shape == (2, 70, N_STATISTICS)
    chosen = torch.arange(70)
    state = torch.random.get_rng_state()
    runs = [fit(views, labels, chosen, epochs=6, seed=s, on_progress=lambda text: None) for s in (3, 3, 4)]
    assert torch.equal(state, torch.random.get_rng_state())
    (first, losses), (second, same), (_, other) = runs
    assert losses[-1] < 0.8 * losses[0]
    assert losses == same != other
    assert all(torch.equal(v, second.state_dict()[k]) for k, v in first.state_dict().items())


def test_train_seed_writes_a_classifier_and_its_figures(shard: tuple[str, str], tmp_path: Path) -> None:
    lines: list[str] = []
    report = train_seed([shard[0]], shard[1], tmp_path, epochs=2, cross_validate=True, on_progress=lines.append)
    assert json.loads((tmp_path / "report.json").read_text()) == json.loads(report.to_json())
    assert report.clips == 70
    assert report.cross_validation is not None
    assert set(report.cross_validation.uar_by_fold) == {"1", "2"}
    assert np.array(report.cross_validation.confusion).sum() == 70
    assert load_seed(tmp_path).config.calibration_temperature == report.cross_validation.temperature
    assert any(line.startswith("fold 2: epoch 2 of 2") for line in lines)


def test_training_names_unusable_input(shard: tuple[str, str], tmp_path: Path) -> None:
    truth = tmp_path / "truth.jsonl"
    truth.write_text('{"id": "a", "emotion": "happy"}\n{"id": "b"}\n')
    with pytest.raises(InputError, match="line 2"):
        read_labelled_clips([shard[0]], str(truth))
    truth.write_text('{"id": "a", "emotion": "happy"}\n')
    with pytest.raises(InputError, match="no clip"):
        read_labelled_clips([shard[0]], str(truth))
    with pytest.raises(InputError, match="absent.tar"):
        read_labelled_clips([str(tmp_path / "absent.tar")], str(truth))


def test_calibration_finds_the_temperature_and_the_gap() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(8000, 7)).astype(np.float32) * 2
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (p.cumsum(1) > rng.random((len(p), 1))).argmax(1)
    assert fit_temperature(logits * 2, labels) == pytest.approx(2, rel=0.05)
    assert expected_calibration_error(p, labels) < 0.02
    sharp = np.exp(logits * 2) / np.exp(logits * 2).sum(1, keepdims=True)
    assert expected_calibration_error(sharp, labels) > 0.08


def test_summary_is_the_mean_of_recalls() -> None:
    labels, folds = np.array([0, 0, 0, 1, 0, 1]), np.array([1, 1, 1, 1, 2, 2])
    logits = np.log(np.full((6, 7), 0.01, np.float32) + 0.93 * np.eye(7, dtype=np.float32)[[0, 0, 2, 1, 0, 0]])
    figures = summarise(labels, folds, logits, logits)
    assert figures.uar_by_fold == pytest.approx({"1": (2 / 3 + 1) / 2, "2": 0.5})
    assert figures.uar == pytest.approx((5 / 6 + 0.5) / 2)
    assert figures.pooled_uar == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert figures.recalls["angry"] == pytest.approx(3 / 4)
    assert figures.accuracy == pytest.approx(4 / 6)
