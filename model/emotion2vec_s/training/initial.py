"""The student that a training starts from."""

import torch

from model.emotion2vec_s.configuration import Emotion2VecSConfig
from model.emotion2vec_s.loading import load_emotion2vec_s
from model.emotion2vec_s.pretraining import Emotion2VecSForPreTraining
from model.emotion2vec_s.training.configuration import TrainingConfig


def starting_student(config: TrainingConfig) -> Emotion2VecSForPreTraining:
    """The weights that ``init`` names, or random ones that follow from the seed; the same on every worker.

    Raises
    ------
    EmotroveError : ``init`` is no network of this kind
    """
    torch.manual_seed(config.seed)
    if config.init is None:
        return Emotion2VecSForPreTraining(Emotion2VecSConfig(**config.network))
    found = load_emotion2vec_s(config.init, network=Emotion2VecSForPreTraining)
    if not config.network:
        return found
    for rate, value in config.network.items():
        setattr(found.config, rate, value)
    student = Emotion2VecSForPreTraining(found.config)  # rates are read when a network is made
    student.load_state_dict(found.state_dict())
    return student
