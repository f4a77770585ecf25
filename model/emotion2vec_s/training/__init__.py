"""Training of Emotion2Vec-S: which clips make a batch, the loop, checkpoints, and the job around them."""
