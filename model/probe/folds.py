"""Which clips are tested together, so that no speaker is in training and test at once."""

import warnings
from collections import Counter
from collections.abc import Sequence

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from manifests.errors import InputError

FOLDS = 5


def speaker_folds(labels: Sequence[str], speakers: Sequence[str], *, seed: int = 0) -> np.ndarray:
    """Folds that share no speaker, each with about the same share of every class.

    Returns
    -------
    (n,) int64 from 1; 5 folds, or fewer where there are fewer speakers or clips of a class

    Raises
    ------
    InputError : there is one speaker only, or no class has two clips
    """
    n_folds = min(FOLDS, len(set(speakers)), max(Counter(labels).values(), default=0))
    if n_folds < 2:
        raise InputError(
            "A probe needs clips of at least two speakers, and two of some class. Name the speakers in the truth ('speaker'), "
            "or give folds ('fold')"
        )
    folds = np.zeros(len(labels), np.int64)
    split = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore", "The least populated class"
        )  # a rare class is in fewer folds, and that is all
        for fold, (_, tested) in enumerate(split.split(labels, labels, speakers), 1):
            folds[tested] = fold
    return folds
