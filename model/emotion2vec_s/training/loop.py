"""The training loop: plain PyTorch, on one worker or on each of a process group.

All randomness is drawn anew from the seed, the step and the worker, so a checkpoint needs to hold none.
"""

import contextlib
import hashlib
import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from manifests.errors import EmotroveError
from manifests.waveform import SAMPLE_RATE_HZ
from model.emotion2vec_s.pretraining import SelfDistillation
from model.emotion2vec_s.pretraining.losses import UNLABELLED
from model.emotion2vec_s.pretraining.masking import masked_frames
from model.emotion2vec_s.training.configuration import TrainingConfig
from model.emotion2vec_s.training.folder import METRICS, TrainingFolder
from model.emotion2vec_s.training.initial import starting_student
from model.emotion2vec_s.training.reading import Waveforms, reading
from model.emotion2vec_s.training.sampler import Batch
from model.emotion2vec_s.training.schedule import learning_rate
from model.emotion2vec_s.training.training_set import TrainingSet

READING_THREADS = 4
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Diverged(EmotroveError):
    """The training has collapsed or left the numbers; the last checkpoint is from before."""


@dataclass(frozen=True, slots=True)
class StepRecord:
    """What is known of an update; losses and variances are those over all workers, before the update."""

    step: int  # updates done, this one included
    loss: float
    loss_frame: float
    loss_utterance: float
    loss_category: float
    target_variance: float
    prediction_variance: float
    gradient_norm: (
        float | None
    )  # before clipping; None where fp16 could not hold the gradient, and the update was left out
    learning_rate: float
    passes: float  # over the unlabelled clips; over the labelled ones where all are labelled
    audio_h: float  # hours of audio since the training began, without padding
    hours_per_hour: float  # audio per time, of this update
    waited_s: float  # of this update, for clips to be read, by the first worker

    def __str__(self) -> str:
        return (
            f"loss {self.loss:.4g} (frame {self.loss_frame:.4g}, utterance {self.loss_utterance:.4g}, "
            f"category {self.loss_category:.4g}), target variance {self.target_variance:.3f}, "
            f"{self.hours_per_hour:,.0f} h of audio per hour"
        )


OnRecord = Callable[[StepRecord], None]


class Trainer:
    """One worker of a training; all workers of the process group make the same calls.

    Parameters
    ----------
    device : of this worker
    on_record : called with each record that is logged, by the first worker only
    """

    def __init__(
        self,
        config: TrainingConfig,
        data: TrainingSet,
        folder: TrainingFolder,
        device: torch.device,
        on_record: OnRecord,
    ) -> None:
        self.config, self.data, self.folder, self.device, self._on_record = config, data, folder, device, on_record
        together = dist.is_available() and dist.is_initialized()
        self.rank, self.workers = (dist.get_rank(), dist.get_world_size()) if together else (0, 1)
        self.sampler = data.sampler(config)
        self.module = SelfDistillation(starting_student(config), config.pretraining).to(device)
        self.optimizer = torch.optim.AdamW(
            _parameter_groups(self.module, config.optimizer.weight_decay),
            lr=config.optimizer.learning_rate,
            betas=config.optimizer.betas,
            eps=config.optimizer.eps,
        )
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")
        self.step, self.audio_samples = 0, 0
        self.best: dict[str, float] = {"step": -1, "loss": float("inf")}
        self._since_checkpoint: list[float] = []
        self.network: nn.Module = self.module
        if together:
            student = self.module.student.config
            self.network = DistributedDataParallel(
                self.module,
                broadcast_buffers=False,
                gradient_as_bucket_view=True,
                find_unused_parameters=bool(student.layerdrop or student.prenet_layerdrop),
            )

    def run(self) -> None:
        """Train from the last checkpoint, or from the start, to the end.

        Raises
        ------
        Diverged : with the step and the figure
        EmotroveError : a clip cannot be read; the message names it
        """
        begun = self._last_checkpoint()
        if begun:
            self._take_up(self.folder.load(begun))
        if self.rank == 0:
            self.folder.forget_after(self.step)
        parts = self.config.accumulation
        with reading(
            self._share,
            self.step * parts,
            self.config.steps * parts,
            self.data.load,
            self.data.labels,
            READING_THREADS,
            ahead=2 * parts,
        ) as batches:
            self.network.train()
            while self.step < self.config.steps:
                record = self._update(batches)
                self._since_checkpoint.append(record.loss)
                last = self.step == self.config.steps
                if self.rank == 0 and (last or self.step % self.config.log.every == 0):
                    with self.folder.path(METRICS).open("a") as file:
                        file.write(f"{json.dumps(asdict(record))}\n")
                    self._on_record(record)
                if last or self.step % self.config.checkpoints.every == 0:
                    self._save()

    def _last_checkpoint(self) -> int:
        """Its step, 0 without one: what the first worker sees, since a network share may show the others an older listing."""
        step = torch.tensor((self.folder.steps() or [0])[-1], device=self.device)
        if self.workers > 1:
            dist.broadcast(step, 0)
        return int(step)

    def _share(self, number: int) -> Batch:
        return self.sampler.shares(number, self.workers)[self.rank]

    def _update(self, batches: Iterator[Waveforms]) -> StepRecord:
        config, began = self.config, time.monotonic()
        parts = [next(batches) for _ in range(config.accumulation)]
        waited_s = time.monotonic() - began
        rate = learning_rate(self.step, config.steps, config.optimizer)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        shares, samples = self._shares_of_parts(parts)
        figures = torch.zeros(6, device=self.device)
        self.optimizer.zero_grad(set_to_none=True)
        for index, (part, share) in enumerate(zip(parts, shares, strict=True)):
            self._seed(self.step * config.accumulation + index)
            figures += self._backward(part.to(self.device), share, last=index == len(parts) - 1)
        self.scaler.unscale_(self.optimizer)
        limit = config.optimizer.clip_norm
        norm = nn.utils.clip_grad_norm_(self.module.student.parameters(), float("inf") if limit is None else limit)
        loss, frame, utterance, category, target, prediction = figures.tolist()
        self._check(loss, float(norm), target, prediction)
        self.scaler.step(self.optimizer)  # passes over an update whose gradients fp16 could not hold
        self.scaler.update()
        left_out = not math.isfinite(float(norm))
        if not left_out:
            self.module.update_teacher(self.step)
        self.step += 1
        self.audio_samples += samples
        return StepRecord(
            step=self.step,
            loss=loss,
            loss_frame=frame,
            loss_utterance=utterance,
            loss_category=category,
            target_variance=target,
            prediction_variance=prediction,
            gradient_norm=None if left_out else float(norm),
            learning_rate=rate,
            passes=self.sampler.passes(self.step * config.accumulation),
            audio_h=self.audio_samples / SAMPLE_RATE_HZ / 3600,
            hours_per_hour=samples / SAMPLE_RATE_HZ / (time.monotonic() - began),
            waited_s=waited_s,
        )

    def _shares_of_parts(self, parts: list[Waveforms]) -> tuple[Tensor, int]:
        """What each part's losses count in the update, so that it is that of one batch: (parts, 3); and its samples of audio.

        A loss is the mean over masked frames, over clips, or over the labelled clips that have another of their class; a part
        counts by how many of these it has.
        """
        config = self.config
        window, hop = self.module.student.config.window, self.module.student.config.hop
        own = [
            [
                sum(
                    masked_frames((length - window) // hop + 1, config.pretraining) for length in part.lengths.tolist()
                ),
                int(part.lengths.sum()),
            ]
            for part in parts
        ]
        counted = torch.tensor(own, dtype=torch.float64, device=self.device)
        if self.workers > 1:
            dist.all_reduce(counted)
        first = self.step * config.accumulation
        labels = [self.data.labels[self.sampler.batch(first + index).clips] for index in range(len(parts))]
        counts = torch.tensor(
            [
                [frames, len(of_part), _with_partner(of_part)]
                for frames, of_part in zip(counted[:, 0].tolist(), labels, strict=True)
            ]
        )
        return (counts / counts.sum(0).clamp_min(1)).to(self.device), int(counted[:, 1].sum())

    def _backward(self, part: Waveforms, share: Tensor, *, last: bool) -> Tensor:
        """Add a part's gradients; gives its share of loss, the three losses, and the two variances."""
        config = self.config
        weights = config.pretraining
        dtype = _DTYPES.get(config.precision)
        waiting = contextlib.nullcontext() if last or self.network is self.module else self.network.no_sync()  # type: ignore[operator]
        with waiting:
            with torch.autocast(self.device.type, dtype=dtype, enabled=dtype is not None):
                output = self.network(part.waveforms, part.lengths, part.labels, part.mask_seeds)
            losses = torch.stack([output.loss_frame, output.loss_utterance, output.loss_category]) * share
            loss = losses @ losses.new_tensor([weights.frame_weight, weights.utterance_weight, weights.category_weight])
            self.scaler.scale(loss).backward()
        variances = torch.stack([output.target_variance, output.prediction_variance]) / config.accumulation
        return torch.cat([loss.detach()[None], losses.detach(), variances])

    def _check(self, loss: float, norm: float, target_variance: float, prediction_variance: float) -> None:
        config = self.config
        where = f"at step {self.step + 1}"
        # With fp16 the scaler lowers its scale until the gradients fit; below 1 it is not the scale that is wrong.
        fits_later = config.precision == "fp16" and self.scaler.get_scale() >= 1
        if not math.isfinite(loss) or not (math.isfinite(norm) or fits_later):
            raise Diverged(f"The loss is {loss} and the norm of its gradient {norm} {where}. {self._remedy()}")
        if self.step < round(config.steps * config.optimizer.warmup_share):
            return
        limits = config.pretraining
        for name, value, limit in (
            ("min_target_variance", target_variance, limits.min_target_variance),
            ("min_prediction_variance", prediction_variance, limits.min_prediction_variance),
        ):
            if value < limit:
                raise Diverged(
                    f"The {name[4:].replace('_', ' ')} is {value:.4f} {where}, below {limit} (pretraining.{name}): the network says "
                    f"the same of every frame. {self._remedy()}"
                )

    def _remedy(self) -> str:
        steps = self.folder.steps()
        kept = f"The checkpoint of step {steps[-1]} is from before" if steps else "There is no checkpoint yet"
        return f"{kept}. Lower optimizer.learning_rate or optimizer.clip_norm, and train into another folder"

    def _seed(self, number: int) -> None:
        """Draw what the network drops of a part from the seed, the part and the worker."""
        digest = hashlib.blake2b(f"{self.config.seed}/{number}/{self.rank}".encode(), digest_size=8).digest()
        torch.manual_seed(int.from_bytes(digest, "big") >> 1)

    def _save(self) -> None:
        mean = sum(self._since_checkpoint) / len(self._since_checkpoint)
        self._since_checkpoint.clear()
        if mean < self.best["loss"]:
            self.best = {"step": self.step, "loss": mean}
        if self.rank == 0:
            state = {
                "step": self.step,
                "network": self.module.student.config.to_dict(),
                "module": self.module.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "scaler": self.scaler.state_dict(),
                "audio_samples": self.audio_samples,
                "best": self.best,
            }
            self.folder.save(self.step, state, keep=self.config.checkpoints.keep)

    def _take_up(self, state: dict[str, Any]) -> None:
        self.module.load_state_dict(state["module"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.audio_samples, self.best = state["step"], state["audio_samples"], state["best"]


def _parameter_groups(module: SelfDistillation, weight_decay: float) -> list[dict[str, Any]]:
    """Biases, norms and the scale of ALiBi are not drawn to zero, as in data2vec 2.0."""
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for name, parameter in module.student.named_parameters():
        groups[parameter.ndim > 1 and "alibi_scale" not in name].append(parameter)
    return [
        {"params": groups[True], "weight_decay": weight_decay},
        {"params": groups[False], "weight_decay": 0.0},
    ]


def _with_partner(labels: np.ndarray) -> int:
    """How many labelled clips share their class with another."""
    counts = np.unique(labels[labels != UNLABELLED], return_counts=True)[1]
    return int(counts[counts > 1].sum())
