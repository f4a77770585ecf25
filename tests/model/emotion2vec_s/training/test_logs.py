"""Logs beside metrics.jsonl, and what their outage does."""

import sqlite3
import threading
import warnings
from pathlib import Path
from typing import Any

import pytest

from manifests.errors import ConfigError
from model.emotion2vec_s.training.configuration import TrainingConfig
from model.emotion2vec_s.training.folder import TrainingFolder
from model.emotion2vec_s.training.logs import RUN_ID, FiguresLost, logging
from model.emotion2vec_s.training.loop import StepRecord
from tests.model.emotion2vec_s.training.buzzes import settings
from tests.packages import require

FIGURES = [name for name in StepRecord.__dataclass_fields__ if name != "step"]


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    require("mlflow", "pip install 'emotrove[train]'")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return tmp_path / "mlflow.db"


@pytest.fixture
def folder(tmp_path: Path) -> TrainingFolder:
    (tmp_path / "out").mkdir()
    return TrainingFolder(str(tmp_path / "out"))


CONFIG = TrainingConfig.model_validate(settings(log={"to": ["mlflow"]}))


def record(step: int) -> StepRecord:
    figures: dict[str, Any] = dict.fromkeys(FIGURES, float(step))
    return StepRecord(step=step, **figures)


def logged(folder: TrainingFolder) -> list[int]:
    """Steps whose loss MLflow has in the run of this training, which must be its only one."""
    import mlflow

    client = mlflow.MlflowClient()
    (experiment,) = client.search_experiments(filter_string="name = 'emotion2vec-s'")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_id == folder.store.read_text(RUN_ID)
    return [metric.step for metric in client.get_metric_history(run.info.run_id, "loss")]


def test_an_outage_of_mlflow_costs_figures_and_not_the_training(database: Path, folder: TrainingFolder) -> None:
    with sqlite3.connect(database) as db, pytest.warns(FiguresLost) as warned:
        with logging(CONFIG, folder, 0) as log:
            log(record(1))
            for table in ("metrics", "runs"):
                db.execute(f"ALTER TABLE {table} RENAME TO gone_{table}")
            db.commit()
            log(record(2))
            log(record(3))
        for table in ("metrics", "runs"):  # the end of the run could not be told either
            db.execute(f"ALTER TABLE gone_{table} RENAME TO {table}")
    (one,) = [str(warning.message) for warning in warned if warning.category is FiguresLost]
    assert "MLflow gets no more figures" in one and "metrics.jsonl has them all" in one and "\n" not in one
    with warnings.catch_warnings():
        warnings.simplefilter("error", FiguresLost)
        with logging(CONFIG, folder, 3) as log:
            log(record(4))
    assert logged(folder) == [1, 4]


def test_what_a_training_raises_is_not_hidden_by_an_outage(database: Path, folder: TrainingFolder) -> None:
    with pytest.warns(FiguresLost), pytest.raises(ZeroDivisionError), logging(CONFIG, folder, 0):
        with sqlite3.connect(database) as db:
            db.execute("ALTER TABLE runs RENAME TO gone_runs")
        raise ZeroDivisionError


def test_figures_that_come_in_another_thread_are_of_the_same_run(database: Path, folder: TrainingFolder) -> None:
    """As those of several workers do."""
    with logging(CONFIG, folder, 0) as log:
        thread = threading.Thread(target=log, args=(record(1),))
        thread.start()
        thread.join()
    assert logged(folder) == [1]


def test_a_server_that_does_not_answer_at_the_start(
    database: Path, folder: TrainingFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:hidden@127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    said = "MLflow cannot be logged to: .*MLFLOW_TRACKING_URI"
    with pytest.raises(ConfigError, match=said) as raised, logging(CONFIG, folder, 0):
        pass
    assert "hidden" not in str(raised.value)
