"""Small shards of real speech, in Emilia's form."""

import io
import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

Member = tuple[str, bytes]


def members(tar: Path) -> Iterator[Member]:
    """Name and bytes of each member."""
    with tarfile.open(tar) as file:
        for info in file:
            content = file.extractfile(info)
            assert content is not None
            yield info.name, content.read()


def write_tar(path: Path, content: Iterable[Member]) -> Path:
    """A tar with these members, in this order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as file:
        for name, data in content:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            file.addfile(info, io.BytesIO(data))
    return path


def small_shards(data: Path, folder: Path, shards: int, clips: int) -> list[Path]:
    """The first clips of some RAVDESS shards, under the names of the shards."""
    made = []
    for number in range(shards):
        name = f"EN-B00000{number}.tar"
        content = members(data / "ravdess" / name)
        made.append(write_tar(folder / name, (next(content) for _ in range(2 * clips))))
    return made
