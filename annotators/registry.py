"""Finding annotators by name: ours and those of other packages, through the entry points ``emotrove.annotators``."""

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from annotators.base import Annotator
from manifests.errors import ConfigError, EmotroveError

GROUP = "emotrove.annotators"


@cache
def _registered() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}


def names() -> list[str]:
    """Names of all annotators that are installed."""
    return sorted(_registered())


def find(name: str) -> type[Annotator]:
    """The class of an annotator.

    Raises
    ------
    ConfigError : nothing of this name is installed, or what is registered cannot be imported
    """
    point = _registered().get(name)
    if point is None:
        raise ConfigError(f"There is no annotator '{name}'; installed are: {', '.join(names())}")
    try:
        annotator = point.load()
    except EmotroveError:
        raise
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"The annotator '{name}' ({point.value}) cannot be imported: {error}") from error
    if not (isinstance(annotator, type) and issubclass(annotator, Annotator)):
        raise ConfigError(f"'{name}' ({point.value}) is registered as an annotator but is not one")
    return annotator
