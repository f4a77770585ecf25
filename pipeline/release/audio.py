"""The audio of a data set: 16 kHz mono PCM16 WAV, as the annotators heard it."""

import io
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import soundfile as sf

from manifests.audio_uri import AudioUri
from manifests.errors import InputError
from manifests.waveform import SAMPLE_RATE_HZ
from pipeline.decode import decode_row

Listener = Callable[[int, int], None]
"""Called with the number of clips written and the number in all."""

Batches = Iterable[tuple[int, list[dict[str, Any]]]]
"""Rows of LABELS a few at a time, each time with the number of all there will be."""

AT_ONCE = 64
"""Rows in a batch: enough for every core, few enough to hold in memory."""


def write_wavs(folder: Path, batches: Batches, listener: Listener) -> Iterator[dict[str, Any]]:
    """Write ``folder/wav/ID.wav`` for each row, and give the row back once its file is there.

    Raises
    ------
    InputError : the audio of a clip is gone, is not what was labelled, or cannot be decoded here
    """
    done = 0
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for total, batch in batches:
            for row, _ in zip(batch, pool.map(lambda row: _write_wav(folder, row), batch), strict=True):
                done += 1
                listener(done, total)
                yield row


def _write_wav(folder: Path, row: dict[str, Any]) -> None:
    # The same decoder as the job's, so that the WAV is what the annotators heard.
    heard = {"outcome": "pending", "audio_uri": row["audio_uri"], "audio": AudioUri.parse(row["audio_uri"]).read()}
    decode_row(heard, 0.0, float("inf"))
    if heard["audio_sha256"] != row["audio_sha256"]:
        raise InputError(
            f"{row['audio_uri']} is not the audio that was labelled as {row['utterance_id']}: the shard has changed"
        )
    if heard["audio"] is None:  # the job could decode it, so this machine's libsndfile is another one
        raise InputError(
            f"{row['utterance_id']} cannot be decoded here ({heard['detail']}). Update soundfile, or export where it was labelled"
        )
    buffer = io.BytesIO()
    with sf.SoundFile(buffer, "w", SAMPLE_RATE_HZ, 1, "PCM_16", format="WAV") as file:
        file.buffer_write(heard["audio"], "int16")
    (folder / "wav" / f"{row['utterance_id']}.wav").write_bytes(buffer.getvalue())
