"""From what the user names to clips: Emilia tars, run folders, exported data sets, folders of audio, and JSONL lists.

Audio is not read here; of a tar only the headers and the JSON are.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from operator import or_
from pathlib import Path

from manifests.emotions import CLASSES, parse_emotion
from manifests.errors import InputError
from manifests.exclusion import Exclusion, read_exclusion
from manifests.inputs import find_shards
from manifests.storage import Store
from manifests.truth import Truth, read_truth
from model.speech.clip import Progress, SpeechClip
from model.speech.exported import PROVENANCE, read_exported
from model.speech.lines import read_lines
from model.speech.runs import read_run
from model.speech.shards import Unusable, read_shard

_EXAMPLES = 5


@dataclass(slots=True)
class Speech:
    """What an input holds.

    Every clip of the input is in ``clips``, in ``others`` or counted in ``left_out``.
    """

    clips: list[SpeechClip] = field(default_factory=list)  # emotion: one of the seven, or None where it is not known
    others: list[SpeechClip] = field(default_factory=list)  # emotion: as written, none of the seven
    left_out: Counter[str] = field(default_factory=Counter)  # by reason: excluded, duplicate_id, missing_audio, …
    examples: list[str] = field(default_factory=list)  # the first of those left out, with what was wrong
    not_found: list[str] = field(default_factory=list)  # ids of the truth that the input does not have

    @property
    def labelled(self) -> list[SpeechClip]:
        """The clips whose emotion is known."""
        return [clip for clip in self.clips if clip.emotion is not None]

    @property
    def other_classes(self) -> dict[str, int]:
        """How many clips have an emotion that is none of the seven, by its name as written."""
        return dict(Counter(str(clip.emotion) for clip in self.others))


def read_speech(
    inputs: Sequence[str],
    truth: Path | None = None,
    *,
    machine_labels: bool = False,
    exclude: Sequence[str] = (),
    progress: Progress = lambda done, total: None,
) -> Speech:
    """The clips of an input, in its order, with what is known of each.

    Parameters
    ----------
    inputs : paths, globs or URLs of

        - tars in Emilia's form, folders of audio files: no emotion but that of ``truth``
        - run folders: the labelled clips, with the emotion that experts gave where the run is curated
        - data sets that ``emotrove export`` wrote
        - JSONL files of ``id`` (or ``index``), ``wav`` (or ``audio``, ``audio_filepath``; relative to the file), and where it
          is known ``emotion``, ``speaker``, ``language``, ``fold``, ``duration``, ``source_id``, ``text``
    truth : JSONL as ``manifests.truth`` reads it; it alone then says which emotion and fold a clip has
    machine_labels : take the emotion on which the voters of a run, or of an unverified export, agreed, where no expert gave one
    exclude : files of ids and sources that stay out (``manifests.exclusion``), such as those of a published test set
    progress : called with inputs read and inputs in all

    Raises
    ------
    InputError : a file is missing or unreadable, a line cannot be understood, there is no clip, or the truth names none of them
    RunFolderError : a run folder is damaged, or experts have answered since it was curated
    """
    known = read_truth(truth) if truth is not None else None
    kept_out = reduce(or_, map(read_exclusion, exclude), Exclusion())
    speech = Speech()
    seen: set[str] = set()
    for clip in _clips(inputs, machine_labels, progress):
        if isinstance(clip, Unusable):
            _leave_out(speech, clip)
        elif kept_out.reason(clip.id, clip.source_id):
            speech.left_out["excluded"] += 1
        elif clip.id in seen:
            _leave_out(speech, Unusable("duplicate_id", f"{clip.id} is in the input before {clip.audio}"))
        else:
            seen.add(clip.id)
            _take(speech, clip, known)
    if not speech.clips and not speech.others:
        reasons = ", ".join(f"{why} {count}" for why, count in speech.left_out.items())
        said = f": {reasons}; first: {'; '.join(speech.examples)}" if reasons else ""
        raise InputError(f"No clip of {', '.join(inputs)} can be used{said}")
    if known is not None:
        speech.not_found = sorted((known.clips.keys() | known.others.keys()) - seen)
        if not speech.others and not speech.labelled:
            raise InputError(f"{truth} names no clip of {', '.join(inputs)}. Check that its ids are those of the input")
    return speech


def _clips(inputs: Sequence[str], machine_labels: bool, progress: Progress) -> Iterator[SpeechClip | Unusable]:
    for number, spec in enumerate(inputs):
        store = Store(spec)
        is_pattern = any(sign in spec for sign in "*?[")
        if not is_pattern and store.exists("run.yaml"):
            yield from read_run(spec, machine_labels)
        elif not is_pattern and store.exists(PROVENANCE):
            yield from read_exported(spec, machine_labels)
        else:
            shards = find_shards([spec])
            lists = dict.fromkeys(shard.url for shard in shards if shard.kind == "jsonl")
            for url in lists:
                yield from read_lines(url)
            for done, shard in enumerate(shards):
                if shard.kind != "jsonl":
                    yield from read_shard(shard)
                progress(number * len(shards) + done + 1, len(inputs) * len(shards))


def _take(speech: Speech, clip: SpeechClip, truth: Truth | None) -> None:
    if truth is not None:
        row = truth.clips.get(clip.id)
        clip = replace(
            clip,
            emotion=str(row.emotion) if row else truth.others.get(clip.id),
            fold=row.fold if row else None,
            speaker=(row.speaker if row else None) or clip.speaker,
        )
    if clip.emotion is None:
        speech.clips.append(clip)
        return
    emotion = parse_emotion(clip.emotion)
    if emotion in CLASSES:
        speech.clips.append(replace(clip, emotion=str(emotion)))
    else:
        speech.others.append(clip)


def _leave_out(speech: Speech, clip: Unusable) -> None:
    speech.left_out[clip.reason] += 1
    if len(speech.examples) < _EXAMPLES:
        speech.examples.append(clip.detail)
