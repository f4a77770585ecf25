import pytest

from model.emotion2vec_s.training.configuration import OptimizerConfig
from model.emotion2vec_s.training.schedule import learning_rate

CONFIG = OptimizerConfig(learning_rate=0.1, warmup_share=0.05)


def test_linear_warm_up_then_half_a_cosine() -> None:
    rates = [learning_rate(step, 1000, CONFIG) for step in range(1000)]
    assert rates[0] == pytest.approx(0.1 / 50)
    assert rates[24] == pytest.approx(0.05)
    assert max(rates) == rates[49] == rates[50] == pytest.approx(0.1)
    assert rates[525] == pytest.approx(0.05)
    assert 0 < rates[-1] < 1e-5
    assert rates[:50] == sorted(rates[:50])
    assert rates[50:] == sorted(rates[50:], reverse=True)


def test_without_warm_up() -> None:
    config = OptimizerConfig(learning_rate=0.1, warmup_share=0)
    assert learning_rate(0, 1, config) == pytest.approx(0.1)
