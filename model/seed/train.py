"""Training and cross-validation of the seed classifier on labelled Emilia shards.

Each step cuts, filters, masks and mixes the clips' views at random. All experts are trained side by side, each on its own
batches and its own loss; the result is the running average of the weights.
"""

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from manifests.emotions import CLASSES
from manifests.errors import InputError
from manifests.scoring import macro_f1, recalls, table_of, unweighted_accuracy, weighted_accuracy
from model.seed.clips import (
    KEPT_FRAMES,
    LabelledClip,
    Progress,
    Views,
    make_views,
    read_labelled_clips,
    speech_span,
)
from model.seed.features import HOP, N_LAGS, N_MELS
from model.seed.network import SeedClassifier, SeedConfig, save_seed

N_VIEWS = 8
CROP_FRAMES = 160  # the most of a clip that one step takes
BATCH, SMOOTHING, MIXUP = 32, 0.1, 0.4
TDNN_RATE, PERCEPTRON_RATE, WEIGHT_DECAY = 3e-3, 1.4e-3, 0.05
AVERAGE_EVERY, AVERAGE_DECAY = 4, 0.96
TEMPERATURES = np.geomspace(0.2, 5.0, 401)


@dataclass(frozen=True, slots=True)
class CrossValidation:
    """Figures of clips that the scored model was not trained on; UAR is the mean of the seven recalls.

    ``*_trimmed`` are of the same clips without the silence at both ends. ``ece`` is of the uncalibrated probabilities,
    ``ece_calibrated`` of each fold with the temperature fitted on the other folds. ``confusion`` has a row per truth.
    """

    uar: float
    uar_trimmed: float
    uar_by_fold: dict[str, float]
    pooled_uar: float
    pooled_uar_trimmed: float
    recalls: dict[str, float]
    accuracy: float
    macro_f1: float
    ece: float
    ece_calibrated: float
    temperature: float
    confusion: list[list[int]]


@dataclass(frozen=True, slots=True)
class SeedReport:
    """What ``train_seed`` did; ``losses`` are the mean training losses of the epochs of the saved model."""

    clips: int
    epochs: int
    seed: int
    duration_s: float
    losses: list[float]
    cross_validation: CrossValidation | None

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=2)


def random_crops(views: Views, clips: Tensor) -> tuple[Tensor, Tensor]:
    """(batch, frames, 112) float32 inputs and their (batch,) lengths in frames, cut, filtered and masked at random.

    Half of the cuts leave up to 100 ms of edge silence and half any amount; one in three takes part of the speech away.
    """
    n = len(clips)

    def rand() -> Tensor:
        return torch.rand(n)

    view = torch.randint(0, len(views.inputs), (n,))
    first, last = views.first[view, clips], views.last[view, clips]
    begin = (first - (rand() * torch.where(rand() < 0.5, first + 0.99, torch.tensor(6.0))).long()).clamp_min(0)
    end = last + (rand() * torch.where(rand() < 0.4, 30.0, 6.0)).long()
    loss = torch.where(rand() < 0.35, rand() * 0.4, 0.0) * (end - begin)
    from_start = rand() * loss
    begin, end = (begin + from_start).long(), (end - (loss - from_start)).long()
    lengths = (end - begin).clamp(8, CROP_FRAMES)
    frame = torch.arange(int(lengths.max()))
    at = (begin[:, None] + frame).clamp_max(KEPT_FRAMES - 1)
    x = views.inputs[view[:, None], clips[:, None], at].float()
    band = torch.linspace(-1, 1, N_MELS)
    wave = torch.cos(math.pi * (band * (rand() * 2.5 + 0.5)[:, None] + 2 * rand()[:, None]))
    x[..., :N_MELS] += (((rand() * 6 - 3)[:, None] * band + (rand() * 4 - 2)[:, None] * wave) / 15)[:, None]
    for _ in range(2):  # SpecAugment (Park et al., 2019)
        low, width = (rand() * 60)[:, None], (rand() * 10)[:, None]
        bands = torch.arange(N_MELS + N_LAGS)
        x = x.masked_fill(((bands >= low) & (bands < (low + width).clamp_max(N_MELS)))[:, None], 0.0)
        start, width = rand()[:, None] * lengths[:, None], (rand() * 16)[:, None]
        x = x.masked_fill(((frame >= start) & (frame < start + width))[..., None], 0.0)
    return x, lengths


def _mix(x: Tensor, targets: Tensor, share: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Mixup (Zhang et al., 2018): every example with its neighbour; ``share`` broadcasts against the targets."""
    wide = share.view(*share.shape, *[1] * (x.ndim - share.ndim))
    return wide * x + (1 - wide) * x.roll(1, dim), share * targets + (1 - share) * targets.roll(1, dim)


def fit(
    views: Views, labels: Tensor, chosen: Tensor, *, epochs: int, seed: int, on_progress: Progress
) -> tuple[SeedClassifier, list[float]]:
    """Train on some of the clips; the same arguments and number of threads give the same weights.

    Parameters
    ----------
    views : of all clips
    labels : (clips,) int64
    chosen : (n,) int64, the clips to train on
    on_progress : called with a line of text every ten epochs

    Returns
    -------
    model : in evaluation mode, its parameters rounded to float16, the precision they are stored in
    losses : mean training loss of every epoch, all experts added up
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = SeedClassifier(SeedConfig())
        experts, tdnns = model.perceptrons, model.tdnns
        seen = views.statistics[:, chosen]
        experts.mean.copy_(seen.mean((0, 1)))
        experts.std.copy_(seen.std((0, 1)) + 1e-3)
        standardised = experts.standardise(views.statistics)
        average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE_DECAY), use_buffers=True)
        counts = torch.bincount(labels[chosen], minlength=len(CLASSES)).float()
        class_weights = counts.clamp_min(1).reciprocal() * (counts > 0)
        class_weights = class_weights / class_weights.sum() * (counts > 0).sum()
        targets = F.one_hot(labels, len(CLASSES)) * (1 - SMOOTHING) + SMOOTHING / len(CLASSES)
        targets = targets * class_weights[labels][:, None]
        optimizer = torch.optim.AdamW(
            [{"params": tdnns.parameters()}, {"params": experts.parameters()}], weight_decay=WEIGHT_DECAY
        )
        steps = max(1, len(chosen) // BATCH)
        rates = [TDNN_RATE, PERCEPTRON_RATE]
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rates, total_steps=steps * epochs, pct_start=0.15)
        beta = torch.distributions.Beta(MIXUP, MIXUP)
        losses = []
        for epoch in range(epochs):
            model.train()
            total = 0.0
            n_perceptrons = model.config.n_perceptrons
            orders = [chosen[torch.randperm(len(chosen))] for _ in range(n_perceptrons + len(tdnns))]
            for step in range(steps):
                batches = torch.stack([order[step * BATCH : (step + 1) * BATCH] for order in orders])
                mine = batches[:n_perceptrons]
                x, goal = standardised[torch.randint(0, len(standardised), mine.shape), mine], targets[mine]
                x, goal = _mix(x, goal, beta.sample((*mine.shape, 1)), 1)
                loss = -(goal * experts(x).log_softmax(2)).sum(2).mean(1).sum()
                for tdnn, mine in zip(tdnns, batches[n_perceptrons:], strict=True):
                    (x, lengths), goal = random_crops(views, mine), targets[mine]
                    if torch.rand(()) < 0.5:
                        # The clip itself stays the larger part, because the length stays its own.
                        share = beta.sample((len(mine), 1))
                        x, goal = _mix(x, goal, torch.maximum(share, 1 - share), 0)
                    loss = loss - (goal * tdnn(x, lengths).log_softmax(1)).sum(1).mean()
                optimizer.zero_grad()
                loss.backward()
                for tdnn in tdnns:
                    nn.utils.clip_grad_norm_(tdnn.parameters(), 2.0)
                optimizer.step()
                schedule.step()
                total += loss.item()
                if step % AVERAGE_EVERY == 0:
                    average.update_parameters(model)
            losses.append(total / steps)
            if (epoch + 1) % 10 == 0 or epoch + 1 == epochs:
                on_progress(f"epoch {epoch + 1} of {epochs}, loss {losses[-1]:.3f}")
        result = SeedClassifier(SeedConfig())
        result.load_state_dict(average.module.state_dict())
    result.eval()
    with torch.no_grad():
        for parameter in result.parameters():
            parameter.copy_(parameter.half().float())
    return result, losses


def predict_fold(
    clips: Sequence[LabelledClip], views: Views, fold: int, *, epochs: int, seed: int, on_progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities of one fold by a model trained on the others.

    Returns
    -------
    (n, 7) float32 for the fold's clips in their order, and the same for the clips without the silence at their ends
    """
    labels = torch.tensor([clip.label for clip in clips])
    others = torch.tensor([i for i, clip in enumerate(clips) if clip.fold != fold])
    model, _ = fit(views, labels, others, epochs=epochs, seed=seed, on_progress=on_progress)
    mine = [clip.samples for clip in clips if clip.fold == fold]
    trimmed = []
    for samples in mine:
        with torch.no_grad():
            levels_db, _, _ = model.spectra(torch.from_numpy(samples)[None], torch.tensor([len(samples)]))
        first, last = speech_span(levels_db[0])
        trimmed.append(samples[first * HOP : last * HOP])
    return np.log(model.predict(mine) + 1e-12), np.log(model.predict(trimmed) + 1e-12)


def _calibrated(logits: np.ndarray, temperature: float) -> np.ndarray:
    return torch.softmax(torch.from_numpy(logits) / temperature, 1).numpy()


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The temperature of least negative log-likelihood."""
    right = np.arange(len(labels)), labels
    best = min(TEMPERATURES, key=lambda t: -np.log(_calibrated(logits, t)[right] + 1e-12).mean())
    return round(float(best), 4)


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Mean gap between confidence and accuracy over equally wide bins of confidence (Guo et al., 2017)."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    which = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs((confidence - right)[which == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(labels))


def summarise(labels: np.ndarray, folds: np.ndarray, logits: np.ndarray, trimmed: np.ndarray) -> CrossValidation:
    """Figures of out-of-fold log-probabilities, (clips, 7) each."""

    def confusion(scores: np.ndarray, of: np.ndarray | slice = slice(None)) -> np.ndarray:
        return table_of(labels[of], scores[of].argmax(1), len(CLASSES))

    def uar(scores: np.ndarray, of: np.ndarray | slice = slice(None)) -> float:
        return float(unweighted_accuracy(confusion(scores, of)))

    table = confusion(logits)
    by_fold = {str(f): uar(logits, folds == f) for f in np.unique(folds)}
    cooled = logits.copy()
    for f in np.unique(folds):
        rest = folds != f
        cooled[~rest] = np.log(_calibrated(logits[~rest], fit_temperature(logits[rest], labels[rest])) + 1e-12)
    return CrossValidation(
        uar=float(np.mean(list(by_fold.values()))),
        uar_trimmed=float(np.mean([uar(trimmed, folds == f) for f in np.unique(folds)])),
        uar_by_fold=by_fold,
        pooled_uar=uar(logits),
        pooled_uar_trimmed=uar(trimmed),
        recalls={str(c): float(r) for c, r in zip(CLASSES, recalls(table), strict=True) if not np.isnan(r)},
        accuracy=float(weighted_accuracy(table)),
        macro_f1=float(macro_f1(table)),
        ece=expected_calibration_error(np.exp(logits), labels),
        ece_calibrated=expected_calibration_error(np.exp(cooled), labels),
        temperature=fit_temperature(logits, labels),
        confusion=table.tolist(),
    )


def _tell_fold(on_progress: Progress, fold: int, text: str) -> None:
    on_progress(f"fold {fold}: {text}")


def cross_validation(
    clips: Sequence[LabelledClip], views: Views, *, epochs: int, seed: int, on_progress: Progress
) -> CrossValidation:
    """Score every fold with a model that was trained, for the same number of epochs, on the other folds.

    Raises
    ------
    InputError : a clip has no fold, or there are fewer than two folds
    """
    names = {clip.fold for clip in clips}
    if None in names or len(names) < 2:
        raise InputError("cross-validation needs an 'emobox_test_fold' for every clip, and at least two folds")
    folds = np.array([clip.fold for clip in clips])
    logits, trimmed = np.zeros((2, len(clips), len(CLASSES)), np.float32)
    for fold in np.unique(folds):
        logits[folds == fold], trimmed[folds == fold] = predict_fold(
            clips,
            views,
            int(fold),
            epochs=epochs,
            seed=seed + int(fold),
            on_progress=partial(_tell_fold, on_progress, int(fold)),
        )
    return summarise(np.array([clip.label for clip in clips]), folds, logits, trimmed)


def train_seed(
    shards: list[str],
    truth: str,
    out: Path,
    *,
    epochs: int = 50,
    seed: int = 0,
    cross_validate: bool = False,
    on_progress: Progress = lambda text: None,
) -> SeedReport:
    """Train a seed classifier on all clips and save it, with ``report.json``, in a folder.

    Without cross-validation nothing is known about clips it was not trained on, and its temperature stays 1.

    Parameters
    ----------
    shards, truth : as for ``read_labelled_clips``
    out : receives ``config.json``, ``model.safetensors`` and ``report.json``
    cross_validate : score the recipe on the folds first (as many more trainings), and calibrate on that

    Raises
    ------
    InputError : the input cannot be used; see ``read_labelled_clips`` and ``cross_validate``
    """
    if epochs < 1:
        raise InputError(f"the number of epochs must be at least 1, not {epochs}")
    started = time.monotonic()
    clips = read_labelled_clips(shards, truth)
    views = make_views(clips, N_VIEWS, seed, on_progress)
    figures = (
        cross_validation(clips, views, epochs=epochs, seed=seed, on_progress=on_progress) if cross_validate else None
    )
    labels = torch.tensor([clip.label for clip in clips])
    model, losses = fit(views, labels, torch.arange(len(clips)), epochs=epochs, seed=seed, on_progress=on_progress)
    if figures:
        model.config.calibration_temperature = figures.temperature
    save_seed(model, out)
    report = SeedReport(len(clips), epochs, seed, round(time.monotonic() - started, 1), losses, figures)
    (out / "report.json").write_text(report.to_json() + "\n", "utf-8")
    return report
