"""Stand-ins for the types that the configuration in a fairseq checkpoint is made of.

Such a file names classes of omegaconf, fairseq and argparse. None of them is imported: whatever the file makes of one becomes an
``Inert``, which keeps what it was given and does nothing, and ``plain`` turns that into dicts, lists, text and numbers.
"""

import itertools
import re
from collections.abc import Callable
from typing import Any

_CONFIGURATION_TYPES = re.compile(
    r"(omegaconf|fairseq|examples|upstream|data2vec|emotion2vec)(\.\w+)*\.[A-Z]\w*"  # their classes, never their functions
    r"|typing\.[A-Z]\w*"
    r"|builtins\.(bool|bytes|dict|float|int|list|object|set|str|tuple)"
    r"|_?operator\.getitem"  # how a type such as List[int] is written down
    r"|argparse\.Namespace"
    r"|numpy\.dtype|numpy\.(core|_core)\.multiarray\.scalar"  # single numbers among the metrics of a training run
)
_MOST_PARTS = 100_000  # a configuration of fairseq has some hundreds


class Inert:
    """What a checkpoint has made of a type that is not imported: the arguments and the state, untouched."""

    def __new__(cls, *arguments: Any) -> "Inert":
        made = super().__new__(cls)
        made.arguments, made.state = arguments, {}
        return made

    def __init__(self, *arguments: Any) -> None:
        self.arguments: tuple[Any, ...]
        self.state: dict[Any, Any]

    def __setstate__(self, state: Any) -> None:
        self.state = state if isinstance(state, dict) else {"state": state}


def _plain_dict(*_factory: Any) -> dict[Any, Any]:
    """In place of a ``defaultdict``, whose factory would be called for a key that is missing."""
    return {}


def stand_in(name: str) -> Callable[..., Any] | None:
    """What takes the place of ``module.name`` of a checkpoint; None for what no configuration is made of."""
    if name == "collections.defaultdict":
        return _plain_dict
    return Inert if _CONFIGURATION_TYPES.fullmatch(name) else None


def plain(value: Any) -> Any:
    """A configuration as dicts with text for keys, lists, text, numbers and None.

    Containers and nodes of omegaconf become what they hold, an enumeration its value, an object the dict of its fields.

    Raises
    ------
    ValueError : it has too many parts, or a key that is no single value
    RecursionError : it is nested without end
    """
    # A container that stands in several places is written out at each: a small file can hold one of any size.
    parts = itertools.count(1)

    def written_out(value: Any) -> Any:
        if next(parts) > _MOST_PARTS:
            raise ValueError(f"its configuration has more than {_MOST_PARTS} parts")
        if isinstance(value, Inert):
            for kept in ("_content", "_val"):
                if kept in value.state:
                    return written_out(value.state[kept])
            if value.state or not value.arguments:
                return written_out(value.state)
            return written_out(value.arguments[0] if len(value.arguments) == 1 else value.arguments)
        if isinstance(value, dict):
            return {key_of(key): written_out(held) for key, held in value.items()}
        if isinstance(value, (list, tuple, set)):
            return [written_out(held) for held in value]
        return value

    def key_of(key: Any) -> str:
        key = written_out(key)
        if isinstance(key, (dict, list)):
            raise ValueError(f"a key of its configuration is a {type(key).__name__}")
        return str(key)

    return written_out(value)
