"""A finished run of any size that no job has labelled: rows as a job writes them, drawn by chance, the same for the same size.

Only what a job would leave is there: chunk files of 256 clips with three voters of seven scores each, shards, markers and
run.yaml. The audio the rows point to does not exist.
"""

import hashlib
import multiprocessing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from manifests.emotions import CLASSES
from manifests.run_folder import DUPLICATES, RunFolder, Shard, ShardCounts, chunk_file, encode_parquet, fingerprint
from manifests.schema import LABELS

CLIPS_PER_FILE = 256  # as the default configuration writes them
FILES_PER_SHARD = 8
_NAMES = np.array([str(emotion) for emotion in CLASSES])
_SHARES = np.array([0.07, 0.01, 0.015, 0.14, 0.65, 0.09, 0.025])  # of the classes, as lopsided as speech from the web
_VOTERS = (("emotion2vec_s", "acoustic"), ("c2ser", "both"), ("text_llm", "text"))
_LANGUAGES = (("en", 0.5), ("zh", 0.35), ("de", 0.06), ("fr", 0.05), ("ja", 0.03), ("ko", 0.01))
_STOCK = (
    "Thank you very much!",
    "thank you, very much.",
    "Yes.",
    "I don't know…",
    "Okay, okay.",
    "谢谢大家。",
    "谢谢大家！",
)


def large_run(folder: Path, rows: int, listener: Callable[[int, int], None] = lambda done, total: None) -> RunFolder:
    """Write a run of so many labelled rows. One that is there whole already stays."""
    run = RunFolder(str(folder))
    per_shard = CLIPS_PER_FILE * FILES_PER_SHARD
    sizes = [min(per_shard, rows - start) for start in range(0, rows, per_shard)]
    shards = [_shard(number) for number in range(len(sizes))]
    if run.duplicates() is not None:
        return run
    run.write_shards(shards)
    run.write_run(
        {
            "profile": "gpu",
            "emotrove": "0",
            "config": {},
            "annotators": {voter: "1" for voter, _ in _VOTERS},
            "input": {"shards": len(shards), "fingerprint": fingerprint(shards)},
        }
    )
    with multiprocessing.get_context("spawn").Pool() as pool:
        work = [(str(folder), number, size) for number, size in enumerate(sizes)]
        for done, _ in enumerate(pool.imap_unordered(_write_shard, work, chunksize=4), 1):
            listener(done, len(shards))
    run.write_duplicates(DUPLICATES.empty_table())  # the ids are all different
    return run


def _shard(number: int) -> Shard:
    name = f"B{number:06d}"
    return Shard(name, "tar", f"s3://speech/emilia/{name}.tar", 500_000_000)


def _write_shard(work: tuple[str, int, int]) -> None:
    folder, number, rows = work
    run, shard = RunFolder(folder), _shard(number)
    table = shard_rows(number, rows)
    for start in range(0, rows, CLIPS_PER_FILE):
        run.store.write_bytes(
            chunk_file("labeled", shard.name, start), encode_parquet(table.slice(start, CLIPS_PER_FILE))
        )
    run.mark_done(ShardCounts(shard.name, rows, rows, 0, 0, float(rows * 8), 500_000_000))


def shard_rows(number: int, rows: int) -> pa.Table:
    """LABELS of one shard: all of one language, clips of a source one after the other."""
    rng = np.random.default_rng([7, number])
    names, shares = zip(*_LANGUAGES, strict=True)
    language = str(rng.choice(names, p=shares))
    shard = _shard(number)
    source = np.cumsum(rng.random(rows) < 1 / 30)  # about 30 clips of a source, as long a tail as chance gives
    emotion, scores = _votes(rng, rows)
    consensus, confidence, agreement = _consensus(emotion, scores)
    ids = [f"{language.upper()}_B{number:05d}_S{s:05d}_W{n:06d}" for n, s in enumerate(source)]
    columns: dict[str, Any] = {
        "utterance_id": ids,
        "shard": [shard.name] * rows,
        "position": np.arange(rows, dtype=np.int32),
        "audio_uri": [f"{shard.url}#{n * 240_000 + 512}+{200_000 + n}" for n in range(rows)],
        "audio_format": ["mp3"] * rows,
        "audio_sha256": [hashlib.sha256(name.encode()).hexdigest() for name in ids],
        "language": [language] * rows,
        "speaker": [name.rsplit("_", 1)[0] for name in ids],
        "source_id": [name.rsplit("_", 1)[0] for name in ids],
        "sample_rate_hz": np.full(rows, 24_000, np.int32),
        "duration_s": np.round(rng.gamma(3.0, 3.0, rows).clip(0.5, 30.0), 3),
        "text": _texts(rng, rows, language),
        "outcome": ["labeled"] * rows,
        "votes": _vote_lists(emotion, scores),
        "consensus": pa.StructArray.from_arrays(
            [
                pa.array(_NAMES[consensus]),
                pa.array(confidence, pa.float32()),
                pa.array(np.full(rows, len(_VOTERS), np.int32)),
                pa.array(agreement, pa.float32()),
            ],
            fields=list(LABELS.field("consensus").type),
        ),
    }
    arrays = [pa.array(columns[f.name], f.type) if f.name in columns else pa.nulls(rows, f.type) for f in LABELS]
    return pa.Table.from_arrays(arrays, schema=LABELS)


def _votes(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """(rows, voters) emotions and (rows, voters, 7) scores: voters hear the same clip, each in its own way."""
    heard = rng.choice(len(_NAMES), rows, p=_SHARES)
    weights = np.full((rows, len(_VOTERS), len(_NAMES)), 0.25)
    weights[np.arange(rows), :, heard] = 3.0
    scores = rng.standard_gamma(weights).astype(np.float32) + np.float32(1e-6)
    scores /= scores.sum(axis=2, keepdims=True)
    return scores.argmax(axis=2), scores


def _consensus(emotion: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As ``manifests.votes.consensus`` has it, for all rows at once."""
    ballots = (emotion[:, :, None] == np.arange(len(_NAMES))).sum(axis=1)
    means = scores.mean(axis=1, dtype=np.float64)
    winner = (ballots + means / 2).argmax(axis=1)
    every = np.arange(len(winner))
    return winner, means[every, winner], ballots[every, winner] / len(_VOTERS)


def _vote_lists(emotion: np.ndarray, scores: np.ndarray) -> pa.ListArray:
    rows, voters, classes = scores.shape
    score_type = LABELS.field("votes").type.value_type.field("scores").type
    flat = pa.StructArray.from_arrays(
        [pa.array(np.tile(_NAMES, rows * voters)), pa.array(scores.reshape(-1))], fields=list(score_type.value_type)
    )
    per_vote = pa.ListArray.from_arrays(np.arange(rows * voters + 1, dtype=np.int32) * classes, flat, type=score_type)
    names = [voter for voter, _ in _VOTERS] * rows
    votes = pa.StructArray.from_arrays(
        [
            pa.array(names),
            pa.array(["1"] * len(names)),
            pa.array([modality for _, modality in _VOTERS] * rows),
            pa.array(_NAMES[emotion.reshape(-1)]),
            pa.array(scores.max(axis=2).reshape(-1)),
            per_vote,
        ],
        fields=list(LABELS.field("votes").type.value_type),
    )
    return pa.ListArray.from_arrays(
        np.arange(rows + 1, dtype=np.int32) * voters, votes, type=LABELS.field("votes").type
    )


def _texts(rng: np.random.Generator, rows: int, language: str) -> list[str]:
    """Sentences of 4 to 20 words; one in twenty is a stock phrase that many people say."""
    if language in ("zh", "ja", "ko"):
        words = [chr(code) for code in range(0x4E00, 0x4E00 + 3000)]
        between, end = "", "。"
    else:
        syllables = ("ba", "ne", "to", "ri", "sul", "men", "ka", "vor", "le", "ti")
        words = [a + b + c for a in syllables for b in syllables for c in syllables]
        between, end = " ", "."
    lengths = rng.integers(4, 21, rows)
    chosen = rng.integers(0, len(words), int(lengths.sum()))
    stock = rng.random(rows) < 0.05
    which = rng.integers(0, len(_STOCK), rows)
    found, at = [], 0
    for row, length in enumerate(lengths):
        sentence = between.join(words[n] for n in chosen[at : at + length]).capitalize() + end
        found.append(_STOCK[which[row]] if stock[row] else sentence)
        at += length
    return found
