"""Checks of the folder that an annotator's weights are in."""

from collections.abc import Sequence
from pathlib import Path

from manifests.errors import ConfigError


def check_folder(key: str, folder: Path, kind: str, needed: Sequence[str], remedy: str = "") -> None:
    """Refuse a folder that does not hold a model of this kind, before anything is loaded or fetched for it.

    Parameters
    ----------
    key : of the setting that names the folder, for the message
    kind : what the model should be, with its article
    needed : names or glob patterns that must each be there

    Raises
    ------
    ConfigError : with what is missing
    """
    if not folder.is_dir():
        raise ConfigError(f"{key}: no such folder: {folder}{remedy}")
    missing = [name for name in needed if not any(path.is_file() for path in folder.glob(name))]
    if missing:
        raise ConfigError(f"{key}: {folder} is no {kind}, it lacks {', '.join(missing)}{remedy}")
