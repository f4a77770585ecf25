"""Windows, scores and the limit of DNSMOS, by a network whose answers are known: mean, maximum and minimum of a window."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from annotators.base import Annotation, Clip, Failure, Rejection
from annotators.dnsmos import Dnsmos
from manifests.errors import ConfigError
from tests.annotators.tiny_dnsmos import WINDOW, write_model

RATE_HZ = 16_000


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("dnsmos") / "sig_bak_ovr.onnx")


def loaded(model: Path, **options: object) -> Dnsmos:
    annotator = Dnsmos({"model": str(model), **options})
    annotator.load()
    return annotator


def answer_for(annotator: Dnsmos, samples: np.ndarray) -> Annotation:
    (answer,) = annotator.run([Clip("a", samples.astype(np.float32), "en", None)])
    assert isinstance(answer, Annotation), answer
    return answer


def scores(annotator: Dnsmos, samples: np.ndarray) -> list[float]:
    """Signal, background and overall."""
    found = answer_for(annotator, samples).fields["quality"]
    assert list(found) == ["dnsmos_sig", "dnsmos_bak", "dnsmos_ovrl"]
    return list(found.values())


def signal(raw: float) -> float:
    """The published polynomial for the signal score, the first of the three."""
    return -0.08397278 * raw**2 + 1.22083953 * raw + 0.0052439


def test_raw_scores_are_mapped_by_the_published_polynomials(model: Path) -> None:
    # A constant of 0.5 is its own mean, maximum and minimum. Worked out by hand:
    # -0.08397278 / 4 + 1.22083953 / 2 + 0.0052439  and so on.
    assert scores(loaded(model), np.full(WINDOW, 0.5)) == pytest.approx([0.59467047, 0.37561490, 0.58684198], abs=1e-6)
    # With a raw score of 3 the network would say: good.
    assert scores(loaded(model), np.full(WINDOW, 3.0)) == pytest.approx([2.91200747, 3.24640004, 2.78345392], abs=1e-6)


def test_each_score_has_its_own_output_of_the_network(model: Path) -> None:
    samples = np.zeros(WINDOW)
    samples[: WINDOW // 2], samples[-1] = 0.5, -0.25  # mean 0.25, maximum 0.5, minimum -0.25
    # -0.08397278 / 16 + 1.22083953 / 4 + 0.0052439; -0.13166888 / 4 + 1.60915514 / 2 - 0.39604546;
    # -0.06766283 / 16 - 1.11546468 / 4 + 0.04602535
    assert scores(loaded(model), samples) == pytest.approx([0.30520548, 0.37561490, -0.23706975], abs=1e-5)


@pytest.mark.parametrize(
    ("seconds", "windows"), [(9.01, 1), (9.99, 1), (10.0, 1), (10.5, 1), (11.0, 2), (12.0, 3), (29.99, 20)]
)
def test_windows_begin_a_second_apart(model: Path, seconds: float, windows: int) -> None:
    rng = np.random.default_rng(0)
    # Eighths, whose sums float32 holds exactly.
    samples = np.repeat(rng.integers(-8, 9, 31) / 8, RATE_HZ)[: round(seconds * RATE_HZ)]
    heard = [samples[start * RATE_HZ : start * RATE_HZ + WINDOW] for start in range(windows)]
    assert all(len(window) == WINDOW for window in heard)
    # The mean of the scores, not the score of the mean.
    expected = np.mean([signal(float(window.mean())) for window in heard])
    assert scores(loaded(model), samples)[0] == pytest.approx(expected, abs=1e-6)


def published_repetition(samples: np.ndarray) -> np.ndarray:
    """As the published script lengthens a clip: it is joined to itself until it is long enough."""
    while len(samples) < WINDOW:
        samples = np.append(samples, samples)
    return samples


@pytest.mark.parametrize("seconds", [0.5, 1.3, 4.0, 4.505, 5.0, 9.0])
def test_a_short_clip_is_doubled_until_it_is_long_enough(model: Path, seconds: float) -> None:
    samples = np.rint(np.linspace(-8, 8, round(seconds * RATE_HZ))) / 8
    long_enough = published_repetition(samples)
    assert len(samples) < WINDOW <= len(long_enough)
    windows = int(len(long_enough) // RATE_HZ - 9.01) + 1
    heard = [long_enough[start * RATE_HZ : start * RATE_HZ + WINDOW] for start in range(windows)]
    expected = np.mean([signal(float(window.mean())) for window in heard])
    assert scores(loaded(model), samples)[0] == pytest.approx(expected, abs=1e-6)


def test_a_clip_without_samples_fails(model: Path) -> None:
    (answer,) = loaded(model).run([Clip("a", np.zeros(0, np.float32), "en", None)])
    assert answer == Failure("ValueError: the clip has no samples")


@pytest.mark.parametrize(("limit", "rejected"), [(None, False), (0.58, False), (0.6, True)])
def test_what_sounds_worse_than_the_limit_is_rejected(model: Path, limit: float | None, rejected: bool) -> None:
    answer = answer_for(loaded(model, min_ovrl=limit), np.full(WINDOW, 0.5))
    overall = answer.fields["quality"]["dnsmos_ovrl"]
    assert overall == pytest.approx(0.58684198, abs=1e-6)
    assert answer.rejection == (Rejection("low_dnsmos", overall) if rejected else None)


def test_a_missing_file_is_named_before_anything_starts(tmp_path: Path, model: Path) -> None:
    absent = tmp_path / "absent.onnx"
    with pytest.raises(ConfigError, match=r"annotators\.dnsmos\.model: no such file: .*absent\.onnx"):
        Dnsmos.check(Dnsmos.Options.model_validate({"model": str(absent)}))
    with pytest.raises(ConfigError, match="no such file"):
        Dnsmos.check(Dnsmos.Options.model_validate({"model": str(tmp_path)}))
    Dnsmos.check(Dnsmos.Options.model_validate({"model": str(model)}))


def test_the_file_must_be_given() -> None:
    with pytest.raises(ValidationError, match="model"):
        Dnsmos()
