"""Pre-training of Emotion2Vec-S: a student that sees parts of a clip learns from a teacher that hears all of it."""

from model.emotion2vec_s.pretraining.configuration import PreTrainingConfig
from model.emotion2vec_s.pretraining.distillation import PreTrainingOutput, SelfDistillation
from model.emotion2vec_s.pretraining.masking import mask_seed
from model.emotion2vec_s.pretraining.student import Emotion2VecSForPreTraining

__all__ = [
    "Emotion2VecSForPreTraining",
    "PreTrainingConfig",
    "PreTrainingOutput",
    "SelfDistillation",
    "mask_seed",
]
