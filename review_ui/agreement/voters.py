"""The machines' votes on the clips that the experts answered, and how far they agree with the experts."""

from collections.abc import Iterator

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from manifests.emotions import Emotion
from manifests.errors import RunFolderError
from manifests.run_folder import RunFolder
from review_ui.agreement.figures import Codes, Resampling
from review_ui.agreement.pairs import EMOTIONS, Pairs
from review_ui.agreement.report import Coefficients, VoterAgreement

VOTES: tuple[str, ...] = (*EMOTIONS, str(Emotion.OTHER), str(Emotion.UNKNOWN))
"""What a voter may say; the first seven positions are those of an expert's emotion."""

_READ = """
SELECT utterance_id, vote.voter AS voter, vote.emotion AS emotion
FROM (
    SELECT utterance_id, unnest(votes) AS vote
    FROM labels JOIN asked USING (utterance_id, shard, position)
)
WHERE vote.emotion IS NOT NULL
ORDER BY utterance_id, voter
"""


def read_votes(run: RunFolder, routes: pa.Table, utterance_ids: npt.NDArray[np.object_]) -> pa.Table:
    """The votes on these clips: ``utterance_id, voter, emotion``.

    Only the shards that the clips are from are read, as a stream; what stays in memory is the clips asked for.

    Parameters
    ----------
    routes : ROUTES; a row of the run is taken where shard and position are the same too, since an id may be there twice

    Raises
    ------
    RunFolderError : a vote is for an emotion that emotrove does not know
    """
    asked = routes.filter(pc.is_in(routes["utterance_id"], pa.array(utterance_ids, pa.string())))
    with duckdb.connect() as db:
        db.register("labels", run.labeled_of(asked["shard"].unique().to_pylist()))
        db.register("asked", asked.select(["utterance_id", "shard", "position"]))
        votes = db.sql(_READ).to_arrow_table()
    strange = sorted(set(votes["emotion"].unique().to_pylist()) - set(VOTES))
    if strange:
        raise RunFolderError(
            f"{run} has votes for '{strange[0]}', which is no emotion of emotrove. An annotator that votes must give "
            f"one of: {', '.join(VOTES)}"
        )
    return votes


def voter_agreement(pairs: Pairs, votes: pa.Table, resampling: Resampling) -> tuple[VoterAgreement, ...]:
    """Each voter, the consensus first, against the clips on which the experts agree, and against each expert.

    Parameters
    ----------
    votes : ``read_votes`` of the clips of ``pairs``
    """
    result = []
    for voter, said in [(None, _codes(pairs.machine)), *_by_voter(pairs, votes)]:
        voted = said >= 0
        agreed = voted & (pairs.a == pairs.b) & (pairs.a < len(EMOTIONS))
        heard: list[tuple[str | None, str, npt.NDArray[np.bool_], Codes]] = [
            (None, "all", agreed, pairs.a),
            (None, "control", agreed & (pairs.arm == "control"), pairs.a),
        ]
        for person, expert in enumerate(pairs.people):
            answer = np.where(pairs.person_a == person, pairs.a, pairs.b)
            theirs = ((pairs.person_a == person) | (pairs.person_b == person)) & (answer < len(EMOTIONS))
            heard.append((expert, "all", voted & theirs, answer))
        for against, part, mask, answer in heard:
            tables = resampling.tables(answer[mask], said[mask], pairs.source[mask], len(VOTES))
            result.append(VoterAgreement(voter, against, part, tables.coefficients()))  # type: ignore[arg-type]
    return tuple(result)


def agreement_among_voters(pairs: Pairs, votes: pa.Table, resampling: Resampling) -> Coefficients:
    """The voters among themselves, on the clips of ``pairs``."""
    counts = np.zeros((len(pairs), len(VOTES)), dtype=np.int64)
    for _, said in _by_voter(pairs, votes):
        voted = np.flatnonzero(said >= 0)
        counts[voted, said[voted]] += 1
    voted = counts.sum(axis=1) > 0
    return resampling.many_raters(counts[voted], pairs.source[voted])


def _by_voter(pairs: Pairs, votes: pa.Table) -> Iterator[tuple[str, Codes]]:
    """Each voter with the code of its vote on each clip of ``pairs``, -1 where it has none."""
    voters = np.array(votes["voter"].to_pylist(), dtype=object)
    clips = np.array(votes["utterance_id"].to_pylist(), dtype=object)
    codes = _codes(np.array(votes["emotion"].to_pylist(), dtype=object))
    for voter in sorted(set(voters)):
        mine = voters == voter
        said = np.full(len(pairs), -1, dtype=np.int64)
        said[np.searchsorted(pairs.utterance_id, clips[mine])] = codes[mine]
        yield voter, said


def _codes(emotions: npt.NDArray[np.object_]) -> Codes:
    by_name = {name: code for code, name in enumerate(VOTES)}
    return np.array([-1 if emotion is None else by_name[emotion] for emotion in emotions], dtype=np.int64)
