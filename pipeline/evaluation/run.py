"""The labels of a run against known emotions."""

from collections import Counter
from pathlib import Path

import duckdb

from manifests.duplicates import present_duplicates
from manifests.errors import InputError
from manifests.run_folder import RunFolder
from manifests.scoring import Answer
from manifests.truth import read_truth
from pipeline.evaluation.evaluation import Evaluation, evaluation


def evaluate_run(run: RunFolder, truth: Path, voter: str | None = None) -> Evaluation:
    """Compare the consensus of the run, or one voter, with a JSONL of ``id`` (or ``index``) and ``emotion``.

    Raises
    ------
    InputError : the truth cannot be read, names no labelled clip of the run, or the voter did not vote
    """
    known = read_truth(truth)
    rows = _rows(run, voter)
    if voter is not None and rows and all(answer is None for answer, *_ in rows.values()):
        raise InputError(f"{run} has no vote of '{voter}'")
    answers = [
        Answer(name, str(row.emotion), rows[name][0], row.speaker or rows[name][1], *rows[name][2:])
        for name, row in sorted(known.clips.items())
        if name in rows
    ]
    if not answers:
        raise InputError(f"No id of {truth} is among the labelled clips of {run}")
    not_labelled = len(known.clips) - len(answers)
    unanswered = sum(answer.predicted is None for answer in answers)
    return evaluation(
        voter or "consensus",
        answers,
        other_classes=Counter(emotion for name, emotion in known.others.items() if name in rows),
        not_scored={"in the truth, not labelled by the run": not_labelled} if not_labelled else {},
        unanswered={"no vote" if voter else "no consensus": unanswered} if unanswered else {},
        notes=_trained_on(run),
    )


def _rows(run: RunFolder, voter: str | None) -> dict[str, tuple[str | None, str | None, str | None, str | None]]:
    """Answer, speaker, source and language of every labelled clip, by id."""
    run.require()
    with duckdb.connect() as db:
        db.register("labels", run.dataset(["labeled"]))
        db.register("duplicates", present_duplicates(run))
        emotion = "consensus.emotion" if voter is None else "list_filter(votes, lambda v: v.voter = $voter)[1].emotion"
        found = db.execute(
            f"SELECT utterance_id, {emotion}, speaker, source_id, language "
            "FROM labels ANTI JOIN duplicates USING (shard, position)",
            {} if voter is None else {"voter": voter},
        ).fetchall()
    return {name: (answer, speaker, source, language) for name, answer, speaker, source, language in found}


def _trained_on(run: RunFolder) -> tuple[str, ...]:
    if "seed" not in run.require()["annotators"]:
        return ()
    from annotators.seed import TRAINED_ON

    return (TRAINED_ON,)
