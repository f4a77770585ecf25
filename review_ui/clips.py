"""The clips that experts hear: the encoded bytes of each utterance, in a folder that Label Studio serves.

Nothing is transcoded, because browsers play what Emilia's shards hold. The name of a file tells nothing of the clip.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from manifests.audio_uri import AudioUri
from manifests.errors import InputError
from manifests.storage import Store

PLAYED: Final = frozenset({"mp3", "wav", "flac", "ogg", "opus"})
"""Audio formats that browsers play."""

_IN_FLIGHT = 8  # clips on their way to an object store at once


def clip_name(route: Mapping[str, Any], key: bytes) -> str:
    """Name of the file of a clip: always the same for one utterance and key, and not to be guessed without the key.

    Raises
    ------
    InputError : browsers do not play this format
    """
    audio_format = (route["audio_format"] or "").lower()
    if audio_format not in PLAYED:
        raise InputError(
            f"browsers do not play '{audio_format or 'unknown'}' audio; they play {', '.join(sorted(PLAYED))}"
        )
    digest = hmac.new(key, route["utterance_id"].encode(), hashlib.sha256).hexdigest()
    return f"{digest[:32]}.{audio_format}"


class ClipFolder:
    """The served folder.

    Parameters
    ----------
    url : a local folder or a URL such as s3://bucket/prefix
    key : for the names
    """

    def __init__(self, url: str, key: bytes) -> None:
        self._store = Store(url)
        self._key = key
        self._there = self._store.sizes()

    def name(self, route: Mapping[str, Any]) -> str:
        """``clip_name`` in this folder."""
        return clip_name(route, self._key)

    def add(self, routes: Sequence[Mapping[str, Any]]) -> dict[str, str]:
        """Copy these clips into the folder; one that is there in the right size is left as it is.

        When this returns, what it copied survives a power cut.

        Parameters
        ----------
        routes : rows of ROUTES

        Returns
        -------
        Why a clip could not be copied, by utterance; all others are there

        Raises
        ------
        StorageError : the folder cannot be written
        """
        if self._store.is_local:
            # On a disk one thread does it sooner than several, which wait for each other and keep the import from its turn.
            told = [self._add(route) for route in routes]
        else:
            with ThreadPoolExecutor(_IN_FLIGHT, thread_name_prefix="clip") as pool:
                told = list(pool.map(self._add, routes))
        self._store.sync()
        return {route["utterance_id"]: why for route, why in zip(routes, told, strict=True) if why is not None}

    def _add(self, route: Mapping[str, Any]) -> str | None:
        try:
            name = self.name(route)
            uri = AudioUri.parse(route["audio_uri"] or "")
            if self._there.get(name) == uri.length:
                return None
            data = uri.read()
        except InputError as error:
            return str(error)
        if hashlib.sha256(data).hexdigest() != route["audio_sha256"]:
            return f"{uri} is not the audio that was labelled: the shard has changed"
        self._store.write_bytes(name, data, sync=False)
        self._there[name] = len(data)
        return None
