"""What pre-training does to the network, apart from the network's own shape."""

from pydantic import BaseModel, ConfigDict, Field, model_validator


class PreTrainingConfig(BaseModel):
    """Masks, teacher and losses.

    The defaults are those of data2vec 2.0 for speech (``base_audio_only_task.yaml`` in fairseq), which emotion2vec keeps, and the
    weights of the losses those of Emotion2Vec-S (arXiv 2502.18186). The temperature is not published; 0.1 is what supervised
    contrast is most used with (Khosla et al. 2020).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    average_top_k_layers: int = Field(8, ge=1)  # blocks whose feed-forward outputs the target is the mean of
    clone_batch: int = Field(8, ge=1)  # differently masked copies of each clip

    mask_prob: float = Field(0.5, gt=0, lt=1)  # share of a clip's frames that the student does not see
    mask_length: int = Field(5, ge=1)  # frames of a span
    mask_prob_adjust: float = Field(0.05, ge=0, lt=1)  # more spans are drawn, because they overlap
    mask_noise_std: float = Field(0.01, ge=0)  # what the decoder finds in masked places
    decoder_input_dropout: float = Field(0.1, ge=0, lt=1)

    ema_decay: float = Field(0.999, ge=0, le=1)  # of the teacher, at the start
    ema_end_decay: float = Field(0.99999, ge=0, le=1)
    ema_anneal_steps: int = Field(75_000, ge=1)  # updates from the one to the other

    frame_weight: float = Field(1.0, ge=0)
    utterance_weight: float = Field(0.1, ge=0)
    category_weight: float = Field(100.0, ge=0)
    temperature: float = Field(0.1, gt=0)  # of the contrast between categories

    # Training that falls below one of these has collapsed: every frame looks the same.
    min_target_variance: float = Field(0.1, ge=0)
    min_prediction_variance: float = Field(0.01, ge=0)

    @model_validator(mode="after")
    def _decay_grows(self) -> "PreTrainingConfig":
        if self.ema_end_decay < self.ema_decay:
            raise ValueError("ema_end_decay must not be below ema_decay")
        return self

    def teacher_decay(self, step: int) -> float:
        """Share of its own weights that the teacher keeps at the given update, from 0 on; grows linearly, then stays."""
        progress = min(step / self.ema_anneal_steps, 1.0)
        return self.ema_decay + (self.ema_end_decay - self.ema_decay) * progress
