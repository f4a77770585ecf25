"""A training from its command to its last file: the folder's description, the log, and where the loop runs."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any

import torch
import yaml

from manifests.errors import ConfigError, RunFolderError
from manifests.lease import Lease
from manifests.settings import difference
from model.emotion2vec_s.training.configuration import TrainingConfig
from model.emotion2vec_s.training.export import MODEL
from model.emotion2vec_s.training.folder import DESCRIPTION, METRICS, TrainingFolder
from model.emotion2vec_s.training.logs import check_logs, logging
from model.emotion2vec_s.training.loop import OnRecord, StepRecord
from model.emotion2vec_s.training.placement import Where
from model.emotion2vec_s.training.training_set import TrainingSet
from model.emotion2vec_s.training.work import work

WEIGHTS = "model.safetensors"
VERSIONS = ("emotrove", "torch", "transformers", "ray", "soundfile", "soxr")


@dataclass(frozen=True, slots=True)
class Finished:
    """What a training came to."""

    model: str  # the folder of the network
    metrics: str
    steps: int
    resumed_from: int  # step; 0 where it began anew
    last: StepRecord

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def train(
    config: TrainingConfig,
    data: TrainingSet,
    folder: TrainingFolder,
    where: Where,
    *,
    on_record: OnRecord,
    on_note: Callable[[str], None],
) -> Finished:
    """Train, or go on with what the folder holds, and write OUT/model.

    One worker without an address runs in this process; otherwise Ray Train runs them.

    Raises
    ------
    RunFolderError : the folder holds a training of another configuration or of other clips, or another command is at work on it
    Diverged : the training has collapsed
    ConfigError, MissingPackage, InputError, JobStopped, StorageError : with the remedy
    """
    check_logs(config)
    if folder.store.exists(WEIGHTS):
        raise RunFolderError(
            f"{folder.path()} holds a network. Train into another folder, and start from this one with --init"
        )
    if where.gpus and where.workers == 1 and not where.address and not torch.cuda.is_available():
        raise ConfigError("--gpus asks for a GPU, and PyTorch sees none here. Leave it out to train on the processor")
    data.sampler(config).require(where.workers)  # says at once what does not fit
    folder.store.ensure()
    with Lease(folder.store), _told_when_stopped(folder, on_note):
        done = (folder.steps() or [0])[-1]
        _describe(config, data, folder, begun=bool(done))
        if done == config.steps:
            on_note(f"{folder.path()} has all {done:,} steps already")
        elif done:
            on_note(f"{folder.path()} has a checkpoint of step {done:,}; going on from there")
        folder.forget_after(done)
        with logging(config, folder, done) as log:

            def record(found: StepRecord) -> None:
                log(found)
                on_record(found)

            if where.workers == 1 and not where.address:
                work(config, data, folder, torch.device("cuda", 0) if where.gpus else torch.device("cpu"), record)
            else:
                from model.emotion2vec_s.training.ray_job import work_on_ray

                work_on_ray(config, data, folder, record, where, on_note)
        last = StepRecord(**folder.records()[-1])
    return Finished(str(folder.path(MODEL)), str(folder.path(METRICS)), last.step, done, last)


@contextmanager
def _told_when_stopped(folder: TrainingFolder, on_note: Callable[[str], None]) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        steps = folder.steps()
        on_note(
            f"the last checkpoint is of step {steps[-1]:,}: {folder.checkpoint(steps[-1])}"
            if steps
            else "there is no checkpoint yet"
        )
        raise


def _describe(config: TrainingConfig, data: TrainingSet, folder: TrainingFolder, *, begun: bool) -> None:
    """Write what is trained into the folder; where a training has begun, compare it with what is there."""
    labelled = {emotion: count for emotion, count in data.classes.items() if count}
    clips = {
        "inputs": list(data.inputs),
        "clips": len(data.clips),
        "hours": round(data.hours, 4),
        "labelled": labelled,
        "left_out": dict(sorted(data.left_out.items())),
        "fingerprint": data.fingerprint(),
    }
    present = {
        "config": config.model_dump(mode="json"),
        "data": clips,
        "versions": {name: version(name) for name in VERSIONS},
    }
    if begun and folder.store.exists(DESCRIPTION):
        earlier = yaml.safe_load(folder.store.read_text(DESCRIPTION))
        try:
            before = {
                "config": TrainingConfig.model_validate(earlier["config"]).identity(),
                # The same clips may have come by another name.
                "data": clips if earlier["data"]["fingerprint"] == clips["fingerprint"] else earlier["data"],
            }
        except (KeyError, TypeError, ValueError) as error:
            raise RunFolderError(
                f"{folder.path(DESCRIPTION)} is damaged ({error}). Train into another folder"
            ) from error
        changed = difference(before, {"config": config.identity(), "data": clips})
        if changed:
            raise RunFolderError(
                f"{folder.path()} holds a training of another configuration or of other clips. Train into another folder, or go "
                f"back to what it was:\n{changed}"
            )
    folder.store.write_text(
        DESCRIPTION, yaml.safe_dump(present, sort_keys=False, default_flow_style=None, allow_unicode=True)
    )


def summary(data: TrainingSet, config: TrainingConfig) -> Sequence[str]:
    """What will be trained on, in lines for people."""
    labelled = {emotion: count for emotion, count in data.classes.items() if count}
    counts = ", ".join(f"{emotion} {count:,}" for emotion, count in labelled.items()) or "none"
    passes = data.sampler(config).passes(config.steps * config.accumulation)
    lines = [
        f"{len(data.clips):,} clips, {data.hours:,.2f} h; labelled: {counts}",
        f"{config.steps:,} steps of {config.data.batch_s:g} s: {passes:,.1f} passes over the "
        f"{'unlabelled' if sum(labelled.values()) < len(data.clips) else 'labelled'} clips",
    ]
    if data.left_out:
        lines.append("left out: " + ", ".join(f"{why} {count:,}" for why, count in sorted(data.left_out.items())))
    return lines
