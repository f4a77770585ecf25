"""What several voters say together."""

from collections.abc import Sequence
from typing import Any

from manifests.emotions import CLASSES


def consensus(votes: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The emotion most voters chose, of the seven classes.

    A tie goes to the emotion with the higher mean score over all voters, then to the first in the alphabet. A voter that
    answered ``other`` or ``unknown`` counts as a vote, and so lowers the agreement, but cannot win.

    Parameters
    ----------
    votes : rows of ``manifests.schema.VOTE``

    Returns
    -------
    A row of ``manifests.schema.CONSENSUS``; None where nobody voted. ``confidence`` is the mean score of the winning
    emotion over all voters, ``agreement`` the share of voters that chose it.
    """
    if not votes:
        return None
    names = [str(emotion) for emotion in CLASSES]
    ballots = dict.fromkeys(names, 0)
    scores = dict.fromkeys(names, 0.0)
    for vote in votes:
        given = {s["emotion"]: float(s["score"]) for s in vote["scores"] or ()}
        if not given:
            given = {vote["emotion"]: float(vote["confidence"] or 0.0)}
        if vote["emotion"] in ballots:
            ballots[vote["emotion"]] += 1
        for name in names:
            scores[name] += given.get(name, 0.0) / len(votes)
    winner = max(names, key=lambda name: (ballots[name], scores[name], -names.index(name)))
    if ballots[winner] == 0:
        return {"emotion": None, "confidence": None, "n_votes": len(votes), "agreement": 0.0}
    return {
        "emotion": winner,
        "confidence": scores[winner],
        "n_votes": len(votes),
        "agreement": ballots[winner] / len(votes),
    }
