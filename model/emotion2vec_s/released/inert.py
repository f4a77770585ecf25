"""Stand-ins for the types that the configuration in a fairseq checkpoint is made of.

Such a file names classes of omegaconf, fairseq and argparse. None of them is imported: whatever the file makes of one becomes an
``Inert``, which keeps what it was given and does nothing, and ``plain`` turns that into dicts, lists, text and numbers.
"""

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
    """
    if isinstance(value, Inert):
        for kept in ("_content", "_val"):
            if kept in value.state:
                return plain(value.state[kept])
        if value.state or not value.arguments:
            return plain(value.state)
        return plain(value.arguments[0] if len(value.arguments) == 1 else value.arguments)
    if isinstance(value, dict):
        return {str(plain(key)): plain(held) for key, held in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(held) for held in value]
    return value
