"""Several workers, on this machine or a cluster: Ray Train around the plain loop.

Ray starts the workers, joins them into a process group (NCCL on GPUs, Gloo on CPUs) and tells when one dies. Checkpoints and
figures are files of the training's folder, which all workers see, so a worker reports nothing to Ray.
"""

import os
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

os.environ.setdefault("RAY_TRAIN_V2_ENABLED", "1")  # of Ray before 2.51; it must be set before the import

import ray
from ray.train import RunConfig, ScalingConfig, TrainingFailedError, WorkerGroupError
from ray.train.torch import TorchTrainer, get_device

from manifests.errors import EmotroveError, JobStopped
from model.emotion2vec_s.training.configuration import TrainingConfig
from model.emotion2vec_s.training.folder import TrainingFolder
from model.emotion2vec_s.training.loop import OnRecord, StepRecord
from model.emotion2vec_s.training.placement import Where
from model.emotion2vec_s.training.training_set import TrainingSet
from model.emotion2vec_s.training.work import work
from model.ray_session import start_ray

LOOK_EVERY_S = 0.5
RAY_STATE = "ray"


def work_on_ray(
    config: TrainingConfig,
    data: TrainingSet,
    folder: TrainingFolder,
    on_record: OnRecord,
    where: Where,
    on_note: Callable[[str], None],
) -> None:
    """Train with several workers. A worker that dies takes its group along; the group starts anew from the last checkpoint, as
    long as each try comes further than the one before.

    Parameters
    ----------
    where : without an address a Ray of our own is started on this machine
    on_note : told when the workers start anew

    Raises
    ------
    EngineError : Ray does not start
    JobStopped : Ray has not what is asked for, or workers die again and again
    EmotroveError : what a worker raised
    """
    start_ray(where.address, "train emotion2vec-s INPUT --out OUT")
    _require(where)
    arguments = {"config": config.model_dump(mode="json"), "data": ray.put(data), "folder": str(folder.path())}
    cpus = cpus_each([node["Resources"] for node in ray.nodes() if node["Alive"]], where)
    with _following(folder, on_record):
        while True:
            before = folder.steps()[-1:]
            trainer = TorchTrainer(
                _worker,
                train_loop_config=arguments,
                scaling_config=ScalingConfig(
                    num_workers=where.workers,
                    use_gpu=where.gpus,
                    resources_per_worker={"CPU": cpus, **({"GPU": 1} if where.gpus else {})},
                ),
                run_config=RunConfig(storage_path=str(folder.path(RAY_STATE)), name=uuid.uuid4().hex),
            )
            try:
                trainer.fit()
                shutil.rmtree(folder.path(RAY_STATE))
                return
            except TrainingFailedError as error:
                cause = _cause(error)
                if isinstance(cause, EmotroveError):
                    raise cause from None
                said = f"{type(cause).__name__}: {cause}"
                if folder.steps()[-1:] == before:
                    raise JobStopped(
                        f"A worker stopped: {said}. No checkpoint was written since the workers started. Ray's own words are in "
                        "/tmp/ray/session_latest/logs; run the same command again to go on from the last checkpoint"
                    ) from error
                on_note(f"a worker stopped ({said}); going on from step {folder.steps()[-1]:,}")


def _worker(arguments: dict[str, Any]) -> None:
    work(
        TrainingConfig.model_validate(arguments["config"]),
        ray.get(arguments["data"]),
        TrainingFolder(arguments["folder"]),
        get_device(),
        lambda record: None,
    )


def cpus_each(nodes: Sequence[Mapping[str, float]], where: Where) -> int:
    """The most CPUs that every worker can have, at least 1.

    Parameters
    ----------
    nodes : resources of each machine, as Ray tells them
    """

    def room(node: Mapping[str, float], cpus: int) -> int:
        by_cpus = int(node.get("CPU", 0)) // cpus
        return min(by_cpus, int(node.get("GPU", 0))) if where.gpus else by_cpus

    largest = max(int(node.get("CPU", 0)) for node in nodes)
    return next((n for n in range(largest, 1, -1) if sum(room(node, n) for node in nodes) >= where.workers), 1)


def _require(where: Where) -> None:
    """Ray would wait for ever for what is not there."""
    kind = "GPU" if where.gpus else "CPU"
    there = int(ray.cluster_resources().get(kind, 0))
    if there < where.workers:
        raise JobStopped(
            f"{where.workers} workers need as many {kind}s, and Ray has {there}. Give fewer with --workers"
        )


def _cause(error: TrainingFailedError) -> BaseException:
    """What a worker raised, out of what Ray wraps around it; of several the one that is meant for the user."""
    if not isinstance(error, WorkerGroupError):
        return error
    causes = []
    for failure in error.worker_failures.values():
        cause: BaseException = failure
        while (
            inner := getattr(cause, "cause", None) or getattr(cause, "_base_exc", None) or cause.__cause__
        ) is not None:
            cause = inner
        causes.append(cause)
    return next((cause for cause in causes if isinstance(cause, EmotroveError)), causes[0])


@contextmanager
def _following(folder: TrainingFolder, on_record: OnRecord) -> Iterator[None]:
    """Give on the lines that the first worker adds to metrics.jsonl, until the block ends."""
    latest = max((record["step"] for record in folder.records()), default=0)
    over = threading.Event()

    def follow() -> None:
        nonlocal latest
        offset = 0
        while True:
            last_look = over.wait(LOOK_EVERY_S)
            offset, found = folder.records_from(offset)
            for line in found:
                if line["step"] > latest:  # those before are done again, or were there
                    latest = line["step"]
                    on_record(StepRecord(**line))
            if last_look:
                return

    thread = threading.Thread(target=follow, name="emotrove-follow")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
