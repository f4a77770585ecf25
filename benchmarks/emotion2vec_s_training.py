"""Does the training of Emotion2Vec-S teach emotions? Semi-supervised on RAVDESS, on actors whose voices the test has not.

    python -m benchmarks.emotion2vec_s_training RAVDESS [--folds 1] [--arms full,no_category,no_utterance] [--out FOLDER]

RAVDESS is a folder of Emilia tars with truth.jsonl. For each fold of EmoBox, the actors of the other folds are trained on: a third
of their clips of each emotion with the label, the rest without. Then a linear head is trained on frozen features of that labelled
third, and tested on the fold. The same is done with the network before training. The arms leave out a loss each. Configuration:
``emotion2vec_s_training.yaml`` beside this file.

Each training can be stopped and goes on when the command is run again; ``--arms`` and ``--folds`` do it in parts.
"""

import argparse
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from manifests.settings import merge, read_settings
from model.emotion2vec_s import Emotion2VecS
from model.emotion2vec_s.loading import load_emotion2vec_s
from model.emotion2vec_s.training.configuration import TrainingConfig
from model.emotion2vec_s.training.folder import TrainingFolder
from model.emotion2vec_s.training.initial import starting_student
from model.emotion2vec_s.training.job import train
from model.emotion2vec_s.training.placement import Where
from model.emotion2vec_s.training.training_set import make_training_set
from model.probe import extract, probe
from model.speech import Speech, SpeechClip, read_speech

ARMS: dict[str, dict[str, float]] = {
    "full": {},
    "no_category": {"category_weight": 0.0},
    "no_utterance": {"utterance_weight": 0.0},
}
SETTINGS = Path(__file__).with_suffix(".yaml")
LOSSES = ("loss_frame", "loss_utterance", "loss_category")
LABELLED = 1 / 3
TEST, TRAINING = 1, 2  # as folds of the probe, of which only the first counts


def labelled_third(clips: Sequence[SpeechClip], seed: int) -> set[str]:
    """Ids of a third of the clips of each emotion."""
    rng = np.random.default_rng(seed)
    found: set[str] = set()
    for emotion in sorted({clip.emotion for clip in clips if clip.emotion}):
        ids = sorted(clip.id for clip in clips if clip.emotion == emotion)
        found |= set(rng.permutation(ids)[: round(len(ids) * LABELLED)].tolist())
    return found


def probed(network: Emotion2VecS, known: Sequence[SpeechClip], tested: Sequence[SpeechClip]) -> float:
    """UAR on the tested clips of a linear head that was trained on the known ones."""
    clips = [*known, *tested]
    folds = [TRAINING] * len(known) + [TEST] * len(tested)
    labels, speakers = [str(clip.emotion) for clip in clips], [str(clip.speaker) for clip in clips]
    return probe(extract(network, clips), labels, speakers, folds).uar_by_fold[TEST]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ravdess", type=Path)
    parser.add_argument("--folds", default="1", help="test folds, e.g. 1,2,3")
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--out", type=Path, default=Path("emotion2vec-s-training"))
    options = parser.parse_args()

    inputs = [str(options.ravdess / "*.tar")]
    speech = read_speech(inputs, options.ravdess / "truth.jsonl")
    results = []
    for fold in map(int, options.folds.split(",")):
        tested = [clip for clip in speech.labelled if clip.fold == fold]
        actors = {clip.speaker for clip in tested}
        rest = [clip for clip in [*speech.clips, *speech.others] if clip.speaker not in actors]
        third = labelled_third([clip for clip in rest if clip.fold is not None], fold)
        known = [clip for clip in rest if clip.id in third]
        given = Speech(clips=[clip if clip.id in third else replace(clip, emotion=None) for clip in rest])
        base = read_settings(str(SETTINGS))
        untrained = probed(starting_student(TrainingConfig.model_validate(base)), known, tested)
        print(
            f"fold {fold}: {len(known)} of {len(rest)} clips labelled, {len(tested)} tested; untrained UAR {untrained:.3f}"
        )
        for arm in options.arms.split(","):
            config = TrainingConfig.model_validate(merge(base, {"pretraining": ARMS[arm]}))
            folder = TrainingFolder(str(options.out / f"fold-{fold}-{arm}"))
            began = time.monotonic()
            train(
                config,
                make_training_set(given, inputs, config),
                folder,
                Where(),
                on_record=lambda record: print(f"  {record.step}: {record}") if record.step % 25 == 0 else None,
                on_note=print,
            )
            took_s = time.monotonic() - began
            records = folder.records()
            span = max(1, len(records) // 10)
            ends = {
                loss: [float(np.mean([r[loss] for r in part])) for part in (records[:span], records[-span:])]
                for loss in LOSSES
            }
            uar = probed(load_emotion2vec_s(str(folder.path("model"))), known, tested)
            results.append(
                {"fold": fold, "arm": arm, "untrained": untrained, "uar": uar, "seconds": round(took_s), "losses": ends}
            )
            falls = ", ".join(f"{loss[5:]} {first:.3f} → {last:.3f}" for loss, (first, last) in ends.items())
            print(f"fold {fold}, {arm}: UAR {uar:.3f} ({uar - untrained:+.3f}), {falls}; {took_s:.0f} s")
    for arm in dict.fromkeys(row["arm"] for row in results):
        rows = [row for row in results if row["arm"] == arm]
        gain = np.mean([row["uar"] - row["untrained"] for row in rows])
        print(
            f"{arm}: mean UAR {np.mean([row['uar'] for row in rows]):.3f}, {gain:+.3f} over the untrained network, {len(rows)} folds"
        )
    print(json.dumps({"threads": torch.get_num_threads(), "torch": torch.__version__, "results": results}))


if __name__ == "__main__":
    main()
