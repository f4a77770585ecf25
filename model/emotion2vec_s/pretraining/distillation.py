"""One step of pre-training: student, teacher and losses together, as one module that DistributedDataParallel can wrap."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.utils import ModelOutput

from model.emotion2vec_s.pretraining.configuration import PreTrainingConfig
from model.emotion2vec_s.pretraining.losses import category_loss, regression_loss, spread
from model.emotion2vec_s.pretraining.masking import decoder_noise, draw_masks
from model.emotion2vec_s.pretraining.student import Emotion2VecSForPreTraining
from model.emotion2vec_s.pretraining.teacher import Teacher
from model.length_batches import length_groups


@dataclass
class PreTrainingOutput(ModelOutput):
    """Losses of a step over the batches of all workers, the same number on each.

    ``loss`` is the weighted sum of the three others, which have gradients of their own for an update that is computed in parts. The
    two variances (as data2vec 2.0 calls them: standard deviation over masked frames, mean over channels) have none; they fall to
    zero in a collapse.
    """

    loss: Tensor | None = None
    loss_frame: Tensor | None = None
    loss_utterance: Tensor | None = None
    loss_category: Tensor | None = None
    target_variance: Tensor | None = None
    prediction_variance: Tensor | None = None


@dataclass(slots=True)
class _Heard:
    """Of some clips, what is predicted (with gradient), and what of: F masked frames, B clips in K copies each."""

    frames: Tensor  # (F, D)
    frame_targets: Tensor  # (F, D)
    utterances: Tensor  # (B * K, D)
    utterance_targets: Tensor  # (B * K, D)
    means: Tensor  # (B, K, D), over the frames that a copy sees


class SelfDistillation(nn.Module):
    """The pre-training of Emotion2Vec-S: L = L_frame + 0.1 L_utterance + 100 L_category.

    Its state is that of student and teacher, so that training resumes exactly; the trained network is ``student``, to be saved
    with ``student.save_pretrained``. The student's weights are float32; lower precision comes from ``torch.autocast``.

    With several workers, wrap it in DistributedDataParallel (``find_unused_parameters`` where blocks are dropped at random) and
    call it on all of them together. Losses are those of the whole batch, and so is the average of the gradients, however clips and
    labels are spread over the workers.

    Sources: data2vec 2.0 (arXiv 2212.07525), emotion2vec (arXiv 2312.15185), C2SER (arXiv 2502.18186).
    """

    def __init__(self, student: Emotion2VecSForPreTraining, config: PreTrainingConfig) -> None:
        super().__init__()
        self.config = config
        self.student = student.float()
        self.teacher = Teacher(self.student, config.average_top_k_layers)

    def update_teacher(self, step: int) -> None:
        """Let the teacher follow the student, after each update of the optimiser; ``step`` counts the updates from 0."""
        self.teacher.follow(self.student, self.config.teacher_decay(step))

    def forward(self, waveforms: Tensor, lengths: Tensor, labels: Tensor, mask_seeds: Tensor) -> PreTrainingOutput:
        """Losses of a batch.

        Parameters
        ----------
        waveforms : (B, N) float, 16 kHz mono in [-1, 1], padded at the end with anything
        lengths : (B,) int64, samples of each clip
        labels : (B,) int64, emotions; -100 for unlabelled clips, which take part in all losses but that of categories
        mask_seeds : (B,) int64, see ``mask_seed``; masks and noise of a clip follow from its seed

        Raises
        ------
        ValueError : a clip is shorter than one frame (400 samples)
        """
        config = self.config
        # Clips that differ much in length go through the network apart, or most of what it computes would be padding.
        groups = [torch.tensor(group, device=lengths.device) for group in length_groups(lengths.tolist())]
        heard = [self._hear(waveforms[own, : int(lengths[own].max())], lengths[own], mask_seeds[own]) for own in groups]
        predicted, wanted = torch.cat([of.frames for of in heard]), torch.cat([of.frame_targets for of in heard])
        loss_frame = regression_loss(predicted, wanted)
        loss_utterance = regression_loss(
            torch.cat([of.utterances for of in heard]), torch.cat([of.utterance_targets for of in heard])
        )
        with torch.autocast(waveforms.device.type, enabled=False):  # 100 times what lower precision rounds off is a lot
            loss_category = category_loss(
                torch.cat([of.means for of in heard]), labels[torch.cat(groups)], config.temperature
            )

        loss = (
            config.frame_weight * loss_frame
            + config.utterance_weight * loss_utterance
            + config.category_weight * loss_category
        )
        return PreTrainingOutput(
            loss=loss,
            loss_frame=loss_frame,
            loss_utterance=loss_utterance,
            loss_category=loss_category,
            target_variance=spread(wanted),
            prediction_variance=spread(predicted.detach()),
        )

    def _hear(self, waveforms: Tensor, lengths: Tensor, mask_seeds: Tensor) -> _Heard:
        """Student and teacher on clips (B, N) that are padded to one another."""
        config, student = self.config, self.student
        local = student.audio.local(waveforms, lengths)
        frame_lengths, seeds = local.lengths.tolist(), mask_seeds.tolist()
        masks = draw_masks(frame_lengths, local.frames.shape[1], seeds, config).to(waveforms.device)
        targets = self.teacher.targets(local)

        tokens, seen = student.see(local, masks)
        noise = decoder_noise(masks, frame_lengths, seeds, seen.shape[-1], config)
        counts = (masks.present & ~masks.masked).sum(1, keepdim=True)
        return _Heard(
            frames=student.fill(F.dropout(seen, config.decoder_input_dropout, self.training), noise, masks),
            frame_targets=_masked_rows(targets.frames, masks.targets, config.clone_batch),
            # All tokens together describe the utterance (emotion2vec's chunk embedding), so it is their mean that predicts.
            utterances=tokens.mean(1),
            utterance_targets=targets.utterance.repeat_interleave(config.clone_batch, 0),
            # This stands for the mean over all frames, which is what the network is used with: another pass over whole clips
            # would cost a quarter more and let the network rest on more than it has while masked.
            means=(seen.sum(1) / counts).unflatten(0, (-1, config.clone_batch)),
        )


def _masked_rows(frames: Tensor, rows: Tensor, copies: int) -> Tensor:
    """Frames of clips at places that are counted in copies of the clips.

    Parameters
    ----------
    frames : (B, T, D)
    rows : (F,) rows of (B * copies * T)
    """
    length = frames.shape[1]
    clips = torch.div(rows, copies * length, rounding_mode="floor")
    return frames.flatten(0, 1)[clips * length + rows % length]
