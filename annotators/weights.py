"""Where an annotator's weights are: in a local folder, or under a name on a hub."""

from pathlib import Path


def is_path(model: str) -> bool:
    """Whether ``model`` means a local folder rather than a name on a hub."""
    return model.startswith(("/", "./", "../", "~")) or Path(model).exists()
