"""Emotion2Vec-S: the acoustic half of C2SER."""

from model.emotion2vec_s.configuration import Emotion2VecSConfig
from model.emotion2vec_s.network import Emotion2VecS, Emotion2VecSOutput, UtteranceMode

__all__ = ["Emotion2VecS", "Emotion2VecSConfig", "Emotion2VecSOutput", "UtteranceMode"]
