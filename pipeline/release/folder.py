"""A folder for a data set that appears whole or not at all, and the checksums of what is in it."""

import os
import shutil
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from manifests.errors import StorageError
from manifests.release import sha256_of

CHECKSUMS = "checksums.sha256"


@contextmanager
def new_folder(out: Path) -> Iterator[Path]:
    """A folder to write into, which becomes ``out`` when the block ends well and goes away when it does not.

    Raises
    ------
    StorageError : ``out`` is there already, or cannot be written
    """
    if out.exists():
        raise StorageError(f"{out} exists already; an export goes into a new folder")
    aside = out.absolute().with_name(f".{out.name}.tmp-{uuid.uuid4().hex[:8]}")
    try:
        (aside / "wav").mkdir(parents=True)
        yield aside
        os.sync()
        aside.rename(out.absolute())
    except OSError as error:
        raise StorageError(f"Could not write {out}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def write_checksums(folder: Path) -> None:
    """Write ``checksums.sha256`` over every other file, in the form that ``sha256sum -c`` reads inside the folder."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    with (
        (folder / CHECKSUMS).open("w", encoding="utf-8", newline="\n") as file,
        ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        for name, digest in zip(names, pool.map(lambda name: sha256_of(folder / name), names), strict=True):
            file.write(f"{digest}  {name}\n")
