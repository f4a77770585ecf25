"""Where the figures of a training are shown besides metrics.jsonl: TensorBoard and MLflow.

They are written by the process of the command, whose environment holds MLflow's address and secrets; workers need neither.
"""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from importlib.util import find_spec
from typing import Any

from manifests.errors import ConfigError, MissingPackage
from model.emotion2vec_s.training.configuration import TrainingConfig
from model.emotion2vec_s.training.folder import TrainingFolder
from model.emotion2vec_s.training.loop import OnRecord, StepRecord

TRACKING_URI = "MLFLOW_TRACKING_URI"
RUN_ID = "mlflow_run.txt"


class FiguresLost(UserWarning):
    """A log does not answer, and goes without the figures that are to come."""


def check_logs(config: TrainingConfig) -> None:
    """Look whether all that is to be logged to is there, before anything long begins.

    Raises
    ------
    MissingPackage : with the line that installs it
    ConfigError : MLflow has no address
    """
    for name in config.log.to:
        if find_spec(name) is None:
            raise MissingPackage(name, "train", f"logging to {name}")
    if "mlflow" in config.log.to and not os.environ.get(TRACKING_URI):
        raise ConfigError(
            f"log.to has mlflow, but {TRACKING_URI} is not set. Set it to the address of your server, such as "
            f"http://localhost:5000, or to a local database: export {TRACKING_URI}=sqlite:///mlflow.db"
        )


@contextmanager
def logging(config: TrainingConfig, folder: TrainingFolder, done: int) -> Iterator[OnRecord]:
    """Log records for as long as the block lasts.

    Parameters
    ----------
    done : steps that an earlier command has done; what was logged of later ones is done again

    Raises
    ------
    ConfigError : MLflow does not answer at the start; later that is a ``FiguresLost`` warning, once
    """
    makers = {"tensorboard": _tensorboard, "mlflow": _mlflow}
    with ExitStack() as open_logs:
        logs = [open_logs.enter_context(makers[name](config, folder, done)) for name in config.log.to]

        def log(record: StepRecord) -> None:
            figures = {name: value for name, value in asdict(record).items() if name != "step" and value is not None}
            for each in logs:
                each(figures, record.step)

        yield log


_Log = Callable[[dict[str, float], int], None]


@contextmanager
def _tensorboard(_: TrainingConfig, folder: TrainingFolder, done: int) -> Iterator[_Log]:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder.path("tensorboard")), purge_step=done + 1) as writer:  # type: ignore[no-untyped-call]

        def log(figures: dict[str, float], step: int) -> None:
            for name, value in figures.items():
                writer.add_scalar(name, value, step)  # type: ignore[no-untyped-call]

        yield log


@contextmanager
def _mlflow(config: TrainingConfig, folder: TrainingFolder, _: int) -> Iterator[_Log]:
    """MLflow must answer at the start. Later its outage costs the figures it would have shown, and not the training."""
    import mlflow
    from mlflow.exceptions import MlflowException

    known = folder.store.read_text(RUN_ID).strip() if folder.store.exists(RUN_ID) else None
    try:
        mlflow.set_tracking_uri(os.environ[TRACKING_URI])
        if known is None:
            mlflow.set_experiment("emotion2vec-s")
        run_id = mlflow.start_run(run_id=known, run_name=folder.path().name).info.run_id
    except (MlflowException, OSError) as error:
        raise ConfigError(
            f"MLflow cannot be logged to: {_said(error)}. Look at {TRACKING_URI}, or leave mlflow out of log.to"
        ) from error
    lost = False

    def tried(call: Callable[[], object]) -> None:
        nonlocal lost
        try:
            call()
        except (MlflowException, OSError) as error:
            if not lost:
                warnings.warn(
                    f"MLflow gets no more figures of this command: {_said(error)}. The training goes on, and metrics.jsonl has "
                    "them all",
                    FiguresLost,
                    stacklevel=2,
                )
            lost = True

    def log(figures: dict[str, float], step: int) -> None:
        if not lost:  # MLflow tries for minutes before it gives up; a training cannot wait as long at every step
            # Named, because the figures of several workers come in a thread, and MLflow's current run is one of a thread.
            tried(lambda: mlflow.log_metrics(figures, step=step, run_id=run_id))

    status = "FAILED"
    try:
        if known is None:
            folder.store.write_text(RUN_ID, run_id)
            tried(lambda: mlflow.log_params(dict(_flat(config.model_dump(mode="json")))))
        yield log
        status = "FINISHED"
    finally:
        tried(lambda: mlflow.end_run(status))


def _said(error: Exception) -> str:
    """One line, without the address: there may be a password in it."""
    return " ".join(str(error).replace(os.environ[TRACKING_URI].rstrip("/"), f"${TRACKING_URI}").split())


def _flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Each value of nested sections with its path; MLflow takes names and plain values."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value
