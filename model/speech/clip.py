"""One clip of speech, its waveform and its length."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from manifests.audio_uri import AudioUri
from manifests.errors import InputError
from manifests.waveform import UndecodableAudio, decode, open_audio

Progress = Callable[[int, int | None], None]
"""Called with the number done and the number in all."""


@dataclass(frozen=True, slots=True)
class SpeechClip:
    """One clip with what is known of it; what is None is not known.

    ``audio`` is an audio_uri, ``PATH_OR_URL#OFFSET+LENGTH``. ``emotion`` is one of the seven classes, except for clips that
    ``Speech.others`` holds. ``fold`` is the fold in which the clip is tested. ``duration_s`` is what the input states; where a
    decision hangs on it, ask ``measured``.
    """

    id: str
    audio: str
    emotion: str | None = None
    speaker: str | None = None
    source_id: str | None = None
    language: str | None = None
    text: str | None = None
    fold: int | None = None
    duration_s: float | None = None


def load_waveform(clip: SpeechClip) -> np.ndarray:
    """(n,) float32 in [-1, 1), 16 kHz mono: to the bit what the annotators of a labelling job hear.

    Raises
    ------
    InputError : the audio is gone or cannot be decoded
    """
    try:
        return decode(AudioUri.parse(clip.audio).read())
    except UndecodableAudio as error:
        raise _undecodable(clip, error) from error


def measured(clips: Sequence[SpeechClip], progress: Progress = lambda done, total: None) -> list[SpeechClip]:
    """The same clips, with the duration that the header of the audio states where the input states none.

    Raises
    ------
    InputError : the audio is gone, or is no audio
    """
    found = []
    for number, clip in enumerate(clips, 1):
        if clip.duration_s is None:
            try:
                with open_audio(AudioUri.parse(clip.audio).read()) as file:
                    clip = replace(clip, duration_s=file.frames / file.samplerate)
            except UndecodableAudio as error:
                raise _undecodable(clip, error) from error
        found.append(clip)
        progress(number, len(clips))
    return found


def _undecodable(clip: SpeechClip, error: UndecodableAudio) -> InputError:
    return InputError(
        f"{clip.id} cannot be decoded: {clip.audio}: {error}. Take it out of the input, or put the audio back from a copy"
    )
