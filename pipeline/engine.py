"""Ray: starting or joining it, and the labelling graph.

    read + decode (a task per shard)  →  annotators (actors)  →  commit (tasks)  →  receipts to the driver

Each row of the graph is a chunk. Ray streams, applies backpressure, mixes CPU and GPU stages and restarts what dies.
"""

import atexit
import contextlib
import logging
import signal
import warnings
from collections.abc import Generator, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, cast

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, DataContext, Dataset, ExecutionResources, TaskPoolStrategy
from ray.data.exceptions import SystemException

from annotators.base import Annotator, Resources
from model.ray_session import EngineError, start_ray
from pipeline.attempts import Attempts
from pipeline.chain import Chain
from pipeline.chunks import Chunk
from pipeline.commit import Commit
from pipeline.config import EngineConfig
from pipeline.source import ShardPlan, ShardSource

GO_ON = "What was committed stays; run the same command again to go on."

Spec = tuple[str, Mapping[str, Any]]
"""Name and options of an annotator."""


# Ray counts what is queued behind a clip that kills its process, too. When to give up is decided in attempts.py.
_RETRIES = 1000
_EXIT_S = 30
_LOADS = 3  # of a process that dies while it loads its annotators

# Read and commit tasks come in bursts. Ray ends a worker that is idle for a second and starts a new one for the next task, and
# the imports of new workers took a third of two cores.
_SYSTEM_CONFIG = {"idle_worker_killing_time_threshold_ms": 600_000}


def start(engine: EngineConfig, address: str | None = None) -> None:
    """Join the Ray cluster at ``address``, or start a Ray of our own on this machine.

    Raises
    ------
    EngineError : there is no cluster at the address, or Ray does not start here
    """
    start_ray(
        address,
        "label INPUT RUN",
        object_store_memory=engine.object_store_megabytes << 20,
        _system_config=_SYSTEM_CONFIG,
    )


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """Turn Ray's errors into one of ours that says what went wrong in the worker."""
    try:
        yield
    except ray.exceptions.RayError as error:
        cause: BaseException = error
        while cause.__cause__ is not None or isinstance(cause, ray.exceptions.RayTaskError):
            inner = cause.__cause__ or getattr(cause, "cause", None)
            if inner is None or inner is cause or isinstance(inner, SystemException):  # which says nothing of its own
                break
            cause = inner
        raise EngineError(f"{type(cause).__name__}: {cause}. {GO_ON}") from error


class AnnotatorActor:
    """A group of annotators in one process of their own; takes and gives tables of chunks."""

    def __init__(
        self,
        specs: Sequence[Spec],
        reference: Mapping[str, Any] | None,
        max_batch_clips: int | None,
        last: bool,
        attempts: Attempts,
    ) -> None:
        # Ray sometimes locks up in its own exit handlers, and the process would keep its memory, and that of its GPU, for ever.
        atexit.register(signal.alarm, _EXIT_S)
        self._last, self._attempts = last, attempts
        self._broken: str | None = None
        names = ", ".join(name for name, _ in specs)
        # It keeps its id where Ray starts it anew.
        with attempts.announced("load", ray.get_runtime_context().get_actor_id() or "") as died:
            if died >= _LOADS:
                self._broken = f"The process of the annotators ({names}) died {died} times while it loaded them."
                return
            try:
                self._chain = Chain(specs, reference, max_batch_clips)
            except Exception as error:
                # Raised here, it would reach the user as pages of Ray's own; so it travels with the first chunk.
                self._broken = f"The annotators ({names}) could not be loaded: {type(error).__name__}: {error}."

    def __call__(self, table: pa.Table) -> pa.Table:
        chunks = list(Chunk.from_table(table))
        for chunk in chunks:
            chunk.fatal = chunk.fatal or self._broken
            if chunk.fatal:
                continue
            self._attempts.at(chunk, self._chain.name, self._chain, self._chain.steps())
            if self._last:
                for row in chunk.clips:
                    row["audio"] = None  # it need not travel to the commit
        return pa.concat_tables([chunk.to_table() for chunk in chunks])


def groups(chain: Sequence[type[Annotator]], engine: EngineConfig) -> list[tuple[Resources, list[type[Annotator]]]]:
    """Annotators that follow each other and need the same share one process, and their clips stay where they are."""

    def needs(annotator: type[Annotator]) -> Resources:
        gpus = engine.gpus.get(annotator.name, annotator.resources.num_gpus)
        # A process with a GPU mostly waits for it; the others share the cores with the read tasks.
        cpus = annotator.resources.num_cpus * (1.0 if gpus else engine.actor_cpus)
        return Resources(num_cpus=cpus, num_gpus=gpus)

    return [(resources, list(members)) for resources, members in groupby(chain, key=needs)]


def graph(
    plans: Sequence[ShardPlan],
    chain: Sequence[type[Annotator]],
    options: Mapping[str, Mapping[str, Any]],
    reference: Mapping[str, Any] | None,
    engine: EngineConfig,
    attempts: Attempts,
) -> Dataset:
    """Everything up to the labelled chunks; nothing runs until they are asked for."""
    # Ray counts the shards, of which one may keep several processes busy.
    warnings.filterwarnings("ignore", message="The minimum number of concurrent actors")
    warnings.filterwarnings("ignore", category=ray.util.annotations.RayDeprecationWarning)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # What they detect (a stage without a memory request) is how the job is meant to be.
    context.issue_detectors_config.detectors = []
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    # A block is a chunk. Whatever exceeds the target leaves a task at once, and a row is never cut; without a target Ray gathers all
    # that a task gives, a whole shard, into one block for one process.
    context.target_max_block_size = 1
    context.execution_options.resource_limits = ExecutionResources(object_store_memory=engine.in_flight_megabytes << 20)
    dataset = ray.data.read_datasource(
        ShardSource(list(plans), attempts),
        override_num_blocks=len(plans),
        num_cpus=engine.read_cpus,
        ray_remote_args={"max_retries": _RETRIES},
    )
    parts = groups(chain, engine)
    for needs, part in parts:
        dataset = dataset.map_batches(
            AnnotatorActor,
            fn_constructor_args=(
                [(annotator.name, dict(options[annotator.name])) for annotator in part],
                reference,
                engine.max_batch_clips,
                part is parts[-1][1],
                attempts,
            ),
            batch_size=None,
            batch_format="pyarrow",
            num_cpus=needs.num_cpus,
            num_gpus=needs.num_gpus or None,
            compute=ActorPoolStrategy(size=engine.actors or _fitting(needs, engine, [needs for needs, _ in parts])),
            max_task_retries=_RETRIES,
        )
    return dataset


def _fitting(needs: Resources, engine: EngineConfig, all_needs: Sequence[Resources]) -> int:
    """How many processes of each group the cluster has room for, all groups having the same number.

    Raises
    ------
    EngineError : a group needs a GPU and there is none
    """
    there = ray.cluster_resources()
    if needs.num_gpus > 0:
        if not there.get("GPU"):
            raise EngineError(
                "The profile asks for a GPU and Ray sees none here. Use --profile cpu or embedded, join a cluster with --address, "
                "or set engine.gpus in your YAML to {}"
            )
        return max(1, int(there["GPU"] / sum(other.num_gpus for other in all_needs)))
    cores = sum(other.num_cpus for other in all_needs if not other.num_gpus)
    return max(1, int(there.get("CPU", 1) / (cores + engine.read_cpus)))


def labelled(dataset: Dataset) -> Iterator[Chunk]:
    """Run the graph; gives the chunks themselves."""
    for batch in dataset.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        yield from Chunk.from_table(cast(pa.Table, batch))


def receipts(dataset: Dataset, commit: Commit) -> Generator[dict[str, Any], None, None]:
    """Run the graph; gives a receipt for each committed chunk, as it is committed."""
    # A commit mostly waits for the disk, so it asks for little; but each that runs beside others is one more process.
    at_once = TaskPoolStrategy(size=max(2, int(ray.cluster_resources().get("CPU", 1))))
    committed = dataset.map_batches(commit, batch_size=None, batch_format="pyarrow", num_cpus=0.01, compute=at_once)
    for batch in committed.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        yield from cast(pa.Table, batch).to_pylist()
