"""One vector for each clip: from the network, or from the features table of a run."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pyarrow.compute as pc
import torch
from torch import Tensor

from manifests.duplicates import present_duplicates
from manifests.errors import InputError
from manifests.features import values_of
from manifests.run_folder import RunFolder
from model.emotion2vec_s import Emotion2VecS, UtteranceMode
from model.emotion2vec_s.batches import padded
from model.length_batches import length_batches
from model.speech import SpeechClip, load_waveform, measured
from model.speech.clip import Progress

_AHEAD = 2  # batches that are read while one is computed


@torch.inference_mode()
def extract(
    model: Emotion2VecS,
    clips: Sequence[SpeechClip],
    mode: UtteranceMode = "mean",
    *,
    batch_s: float = 60.0,
    dtype: torch.dtype = torch.float32,
    progress: Progress = lambda done, total: None,
) -> np.ndarray:
    """Frozen features of clips; the network stays where and as it is.

    Parameters
    ----------
    mode : ``mean`` of the frames, or the mean over the vectors of ``tokens`` or ``first_frames``
    batch_s : padded seconds of audio in a batch
    dtype : in which the network computes (autocast); the features are float32
    progress : called with clips done and clips in all

    Returns
    -------
    (n, D) float32, in the order of ``clips``

    Raises
    ------
    InputError : the audio of a clip is gone, cannot be decoded, or is too short for the network
    """
    clips = measured(clips)
    batches = list(length_batches([clip.duration_s or 0.0 for clip in clips], batch_s))
    found = np.zeros((len(clips), model.config.hidden_size), np.float32)
    was_training, done = model.training, 0
    model.eval()
    try:
        for batch, waveforms in _read_ahead(clips, batches):
            found[batch] = _pooled(model, [clips[i] for i in batch], waveforms, mode, dtype).cpu().numpy()
            done += len(batch)
            progress(done, len(clips))
    finally:
        model.train(was_training)
    return found


def _pooled(
    model: Emotion2VecS, clips: list[SpeechClip], waveforms: list[np.ndarray], mode: UtteranceMode, dtype: torch.dtype
) -> Tensor:
    samples, lengths = padded(waveforms)
    with torch.autocast(model.device.type, dtype, enabled=dtype != torch.float32):
        try:
            utterance = model(samples.to(model.device), lengths.to(model.device)).utterance(mode)
        except ValueError as error:
            shortest = min(range(len(clips)), key=lambda i: len(waveforms[i]))
            raise InputError(f"{clips[shortest].id} ({clips[shortest].audio}) is too short: {error}") from error
    return (utterance if utterance.ndim == 2 else utterance.mean(1)).float()


def _read_ahead(
    clips: Sequence[SpeechClip], batches: Sequence[list[int]]
) -> Iterator[tuple[list[int], list[np.ndarray]]]:
    """Each batch with its waveforms; decoding goes on in threads meanwhile, a few batches ahead."""
    with ThreadPoolExecutor(2) as pool:
        begun: deque[list[Future[np.ndarray]]] = deque()
        for number, batch in enumerate(batches):
            while len(begun) <= _AHEAD and number + len(begun) < len(batches):
                begun.append([pool.submit(load_waveform, clips[i]) for i in batches[number + len(begun)]])
            yield batch, [waveform.result() for waveform in begun.popleft()]


def table_features(run: RunFolder, annotator: str, clips: Sequence[SpeechClip]) -> tuple[np.ndarray, list[str]]:
    """Features that an annotator wrote into the run, several vectors of a clip averaged.

    Of an id that is used twice in the run, the row counts whose clip ``read_run`` keeps: the first in the order of the input.

    Returns
    -------
    (n, D) float32, in the order of ``clips``, and what they are: each mode with the version of what gave it

    Raises
    ------
    RunFolderError : the annotator gives no features in this run
    InputError : a clip has none
    """
    place = {clip.id: i for i, clip in enumerate(clips)}
    found: np.ndarray | None = None
    missing = set(place)
    wanted = pc.field("utterance_id").isin(list(place))
    columns = ["utterance_id", "shard", "position", "mode", "version", "shape", "values"]
    kinds = set()
    duplicates = {(row["shard"], row["position"]) for row in present_duplicates(run).to_pylist()}
    for batch in run.features([annotator]).to_batches(columns=columns, filter=wanted):
        for row in batch.to_pylist():
            if (row["shard"], row["position"]) in duplicates:
                continue
            values = values_of(row).astype(np.float32)
            vector = values.reshape(-1, values.shape[-1]).mean(0)
            if found is None:
                found = np.zeros((len(clips), len(vector)), np.float32)
            found[place[row["utterance_id"]]] = vector
            missing.discard(row["utterance_id"])
            kinds.add(f"{row['mode']} (version {row['version']})")
    if found is None or missing:
        raise InputError(f"{run} has no features of '{annotator}' for {len(missing):,} clips, such as {min(missing)}")
    return found, sorted(kinds)
