"""Clips of Emilia's tars and of folders of audio files, by the same readers as those of a labelling job."""

from collections.abc import Iterator
from dataclasses import dataclass

from manifests.emilia import PENDING
from manifests.errors import InputError
from manifests.file_shard import FileShard
from manifests.run_folder import Shard
from manifests.storage import file_size, open_binary
from manifests.tar_shard import Entry, TarShard, UnreadableShard
from model.speech.clip import SpeechClip


@dataclass(frozen=True, slots=True)
class Unusable:
    """A clip that cannot be taken, and why: ``reason`` is a code of docs/outcomes.md, ``detail`` names the file."""

    reason: str
    detail: str


def read_shard(shard: Shard) -> Iterator[SpeechClip | Unusable]:
    """The clips of one tar or one folder, without their audio.

    Raises
    ------
    InputError : the tar cannot be read
    """
    if shard.kind == "folder":
        yield from map(_clip, FileShard(shard).entries(audio=False))
        return
    try:
        with open_binary(shard.url) as file:
            tar = TarShard(shard.url, file, file_size(shard.url), shard.name)
            yield from map(_clip, tar.entries(audio=False))
    except OSError as error:
        raise InputError(f"{shard.url} cannot be read: {error.strerror or error}. Check its path") from error
    except UnreadableShard as error:
        raise InputError(f"{error}. Put it back from a copy, or leave it out of the input") from error


def _clip(entry: Entry) -> SpeechClip | Unusable:
    row = entry.row
    assert row is not None, "nothing was skipped"
    if row["outcome"] != PENDING:
        where = row.get("audio_uri") or row["shard"]
        return Unusable(row["reason"], f"{row['utterance_id']} ({where}): {row.get('detail') or row['reason']}")
    return SpeechClip(
        row["utterance_id"],
        row["audio_uri"],
        speaker=row.get("speaker"),
        source_id=row.get("source_id"),
        language=row.get("language"),
        text=row.get("text"),
        duration_s=row.get("stated_duration_s") or None,
    )
