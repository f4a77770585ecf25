"""The released files of Emotion2Vec-S, emotion2vec and emotion2vec+: reading them safely, and converting them."""
