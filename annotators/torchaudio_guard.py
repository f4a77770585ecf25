"""Makes ``import torchaudio`` work where its wheel was built for CUDA and torch was not.

The wheel of torchaudio on the package index is a CUDA build. Beside a CPU build of torch its compiled extension cannot be loaded,
``import torchaudio`` raises OSError, and packages that only expect it to be present or absent fail with it. Its Python part, which
is all that FunASR and WhisperX use, needs no extension; torchaudio has this mode itself but finds it only where the file is absent.
"""

import contextlib
import importlib
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any, NoReturn

_EXTENSION = "torchaudio._extension"


def install() -> None:
    """Switch torchaudio's extension off where it cannot be loaded; does nothing elsewhere.

    Call it in each process before anything imports torchaudio. No file is touched.
    """
    if "torchaudio" in sys.modules or find_spec("torchaudio") is None or find_spec("torch") is None:
        return
    import torch

    if torch.version.cuda is not None or torch.version.hip is not None:
        return
    try:
        importlib.import_module("torchaudio")
    except OSError:
        for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
            del sys.modules[name]
        sys.modules[_EXTENSION] = _without_extension()


@contextlib.contextmanager
def stand_in() -> Iterator[None]:
    """Let a module that imports torchaudio for its list of pretrained models be imported where torchaudio is not installed.

    WhisperX's alignment is one. The stand-in lists no models and is gone when the block ends.
    """
    if find_spec("torchaudio") is not None:
        yield
        return
    stand_in: Any = ModuleType("torchaudio")
    stand_in.__spec__ = ModuleSpec("torchaudio", None)
    stand_in.pipelines = ModuleType("torchaudio.pipelines")
    stand_in.pipelines.__all__ = []
    sys.modules["torchaudio"] = stand_in
    try:
        yield
    finally:
        del sys.modules["torchaudio"]


def _without_extension() -> ModuleType:
    module: Any = ModuleType(_EXTENSION)
    module._IS_TORCHAUDIO_EXT_AVAILABLE = False
    module._IS_ALIGN_AVAILABLE = False
    module._check_cuda_version = lambda: None
    module.fail_if_no_align = _refuse
    return module


def _refuse(function: Any) -> Any:
    def refused(*args: Any, **kwargs: Any) -> NoReturn:
        raise RuntimeError(
            f"{function.__name__} needs torchaudio's compiled extension, which does not fit this build of torch"
        )

    return refused
