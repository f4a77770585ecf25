"""``audio_uri``: where the encoded bytes of a clip are, so that they can be fetched without scanning a shard.

The form is ``PATH_OR_URL#OFFSET+LENGTH``. Every URI carries its range, a whole file too, so a ``#`` in a path is no trouble.
"""

import re
from dataclasses import dataclass

from manifests.errors import InputError
from manifests.storage import open_binary

_FORM = re.compile(r"(?P<url>.+)#(?P<offset>\d+)\+(?P<length>\d+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class AudioUri:
    """A byte range of a file: the tar member (or the whole file) that holds the encoded clip."""

    url: str
    offset: int
    length: int

    def __str__(self) -> str:
        return f"{self.url}#{self.offset}+{self.length}"

    @classmethod
    def parse(cls, text: str) -> "AudioUri":
        """Raises
        ------
        InputError : the text has no ``#OFFSET+LENGTH`` at its end
        """
        match = _FORM.fullmatch(text)
        if match is None:
            raise InputError(f"'{text}' is not an audio_uri; the form is PATH_OR_URL#OFFSET+LENGTH")
        return cls(match["url"], int(match["offset"]), int(match["length"]))

    def read(self) -> bytes:
        """The encoded bytes.

        Raises
        ------
        InputError : the file is gone, unreadable, or shorter than it was
        """
        try:
            # A remote file is read ahead by whole blocks, and nothing behind the clip is wanted.
            with open_binary(self.url, block_size=1 << 16) as file:
                file.seek(self.offset)
                data = file.read(self.length)
        except OSError as error:
            raise InputError(f"Could not read {self}: {error.strerror or error}. Was the shard moved?") from error
        if len(data) != self.length:
            raise InputError(f"Could not read {self}: the file ends {self.length - len(data)} bytes early")
        return data
