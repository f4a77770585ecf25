"""Clips of a run folder."""

from collections.abc import Iterator

import pyarrow.compute as pc

from manifests.answers import judged
from manifests.curation import curate
from manifests.duplicates import present_duplicates
from manifests.emotions import parse_emotion
from manifests.errors import RunFolderError
from manifests.exclusion import TAKEDOWN, read_exclusion
from manifests.review_folder import CURATED_FILE, ReviewFolder
from manifests.run_folder import RunFolder
from model.speech.clip import SpeechClip
from model.speech.shards import Unusable

_COLUMNS = ["utterance_id", "shard", "position", "audio_uri", "speaker", "source_id", "language", "text", "duration_s"]


def read_run(root: str, machine_labels: bool) -> Iterator[SpeechClip | Unusable]:
    """The labelled clips of a run, with the emotion that experts gave, where it is curated.

    Its ``takedown.txt`` holds here as for every export of the run.

    Parameters
    ----------
    machine_labels : where no expert gave an emotion, take the consensus of the voters

    Raises
    ------
    RunFolderError : this is no run folder, it is damaged, or experts have answered since it was curated
    """
    run = RunFolder(root)
    run.require()
    expert = _expert_emotions(run)
    duplicates = {(row["shard"], row["position"]) for row in present_duplicates(run).to_pylist()}
    taken_down = read_exclusion(run.store.path(TAKEDOWN)) if run.store.exists(TAKEDOWN) else None
    columns = {name: pc.field(name) for name in _COLUMNS}
    columns["machine"] = pc.field("consensus", "emotion")
    for batch in run.dataset(["labeled"]).to_batches(columns=columns):
        for row in batch.to_pylist():
            name = row["utterance_id"]
            if (row["shard"], row["position"]) in duplicates:
                yield Unusable("duplicate_id", f"{name} of {row['shard']}: an earlier shard has used this id")
            elif taken_down is not None and taken_down.reason(name, row["source_id"]):
                yield Unusable("taken_down", f"a clip that {TAKEDOWN} of {run} names")
            else:
                emotion = expert.get(name)
                if emotion is None and machine_labels and row["machine"] is not None:
                    emotion = str(parse_emotion(row["machine"]))
                known = {key: row[key] for key in ("speaker", "source_id", "language", "text", "duration_s")}
                yield SpeechClip(name, row["audio_uri"], emotion=emotion, **known)


def _expert_emotions(run: RunFolder) -> dict[str, str]:
    """Emotion by id, of what experts verified or settled; gold items, whose answer was known beforehand, are not among them."""
    review = ReviewFolder(run)
    if not run.store.exists(CURATED_FILE):
        return {}
    curated = review.curated()
    if not curated.equals(curate(review.in_review(), judged(review.in_review(), review.tasks(), review.ledger()))):
        raise RunFolderError(
            f"{run} has other answers or clips than when it was curated. Do it again: emotrove curate {run}"
        )
    chosen = curated.select(["utterance_id", "emotion", "arm"]).to_pylist()
    return {row["utterance_id"]: row["emotion"] for row in chosen if row["emotion"] and row["arm"] != "gold"}
