"""The figures of agreement with their intervals, against a plain loop over scikit-learn.

    python -m benchmarks.agreement [--pairs 100000] [--resamples 1000] [--peer-resamples 5]

Made up are pairs of answers of two people (eleven categories, 80 % alike) in three shapes: each clip its own recording, three
clips a recording, twenty clips a recording. Timed: from the arrays of answers to raw agreement, kappa, alpha and AC1 with
their intervals over recordings. The peer draws recordings one by one, gathers their clips, and calls scikit-learn's
``cohen_kappa_score`` for kappa alone; its time per resample is multiplied by the number of resamples. The values of kappa are
compared, and so are the widths of its two intervals where the peer has at least 200 resamples.
"""

import argparse
import time

import numpy as np
from sklearn.metrics import cohen_kappa_score

from review_ui.agreement.figures import Codes, Resampling
from review_ui.agreement.pairs import CATEGORIES


def pairs(n: int, per_source: int, chance: np.random.Generator) -> tuple[Codes, Codes, Codes]:
    """What two people answered, and the recording of each clip."""
    k = len(CATEGORIES)
    first = chance.choice(k, size=n, p=np.array([10, 3, 4, 15, 40, 12, 6, 5, 2, 2, 1]) / 100)
    second = np.where(chance.random(n) < 0.8, first, chance.integers(k, size=n))
    return first, second, chance.integers(max(1, n // per_source), size=n) if per_source > 1 else np.arange(n)


def plain(first: Codes, second: Codes, source: Codes, resamples: int, chance: np.random.Generator) -> list[float]:
    """Kappa of each resample, as one would write it down."""
    order = np.argsort(source, kind="stable")
    clips = np.split(order, np.flatnonzero(np.diff(source[order])) + 1)
    found = []
    for _ in range(resamples):
        sources = chance.integers(len(clips), size=len(clips))
        drawn = sources if len(clips) == len(source) else np.concatenate([clips[n] for n in sources])
        found.append(float(cohen_kappa_score(first[drawn], second[drawn])))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=100_000)
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--peer-resamples", type=int, default=5)
    given = parser.parse_args()
    print(f"{given.pairs:,} pairs, {given.resamples:,} resamples")
    for per_source in (1, 3, 20):
        first, second, source = pairs(given.pairs, per_source, np.random.default_rng(0))
        start = time.perf_counter()
        found = Resampling(given.resamples, 0).tables(first, second, source, len(CATEGORIES)).coefficients()
        ours_s = time.perf_counter() - start
        start = time.perf_counter()
        theirs = plain(first, second, source, given.peer_resamples, np.random.default_rng(1))
        theirs_s = (time.perf_counter() - start) / given.peer_resamples * given.resamples
        kappa = found.kappa
        assert kappa.value is not None and kappa.low is not None and kappa.high is not None
        assert abs(kappa.value - float(cohen_kappa_score(first, second))) < 1e-12
        print(
            f"{per_source:>3} clips a recording: four figures in {ours_s:.2f} s, kappa alone by the plain loop in "
            f"{theirs_s:.0f} s ({given.peer_resamples} resamples, scaled): {theirs_s / ours_s:.0f} x"
        )
        if given.peer_resamples >= 200:
            low, high = np.quantile(theirs, [0.025, 0.975])
            print(f"    kappa [{kappa.low:.4f}, {kappa.high:.4f}], by the plain loop [{low:.4f}, {high:.4f}]")


if __name__ == "__main__":
    main()
