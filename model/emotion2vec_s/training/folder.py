"""The folder of a training.

    OUT/
      training.yaml              the configuration, a fingerprint of the clips, versions
      metrics.jsonl              a line a step
      checkpoints/step-N.pt      everything a training goes on from; the last few and the best
      tensorboard/               where it is logged to
      model/                     the trained network, when it is done
      lease.json                 who is at work on it now

It lies on a disk that all workers see. Files appear whole or not at all.
"""

import json
import pickle
import re
from pathlib import Path
from typing import Any

import torch

from manifests.errors import RunFolderError
from manifests.storage import Store, is_url

METRICS, DESCRIPTION = "metrics.jsonl", "training.yaml"
_CHECKPOINT = re.compile(r"checkpoints/step-(\d{8})\.pt")


class TrainingFolder:
    """Files of one training.

    Raises
    ------
    RunFolderError : the place is an object store, which cannot be appended to
    """

    def __init__(self, path: str) -> None:
        if is_url(path):
            raise RunFolderError(
                f"{path}: a training writes to a folder that all its workers see, such as a network share. Give a local path, "
                "and copy OUT/model to the object store when it is done"
            )
        self.store = Store(path)

    @classmethod
    def of_checkpoint(cls, path: Path) -> "tuple[TrainingFolder, int] | None":
        """The folder and the step of a file that is a checkpoint in the folder of a training; None of any other.

        Raises
        ------
        RunFolderError : it is the folder itself
        """
        if (path / DESCRIPTION).is_file():
            raise RunFolderError(
                f"{path} is the folder of a training. Its network is {path}/model, when it is done; or name one of its checkpoints: "
                f"{path}/checkpoints/step-….pt"
            )
        root = (path := path.resolve()).parent.parent
        match = _CHECKPOINT.fullmatch(f"{path.parent.name}/{path.name}")
        return (cls(str(root)), int(match[1])) if match and path.is_file() and (root / DESCRIPTION).is_file() else None

    def path(self, name: str = "") -> Path:
        return Path(self.store.path(name))

    def checkpoint(self, step: int) -> Path:
        return self.path(_name(step))

    def steps(self) -> list[int]:
        """Steps that there is a checkpoint of, in order."""
        found = [_CHECKPOINT.fullmatch(name) for name in self.store.list("checkpoints")]
        return sorted(int(match[1]) for match in found if match)

    def save(self, step: int, state: dict[str, Any], *, keep: int) -> None:
        """Write a checkpoint, and delete those that are neither among the last ``keep`` nor the best of ``state["best"]``."""
        with self.store.writing(_name(step)) as path:
            torch.save(state, path)
        steps = self.steps()
        for old in set(steps[:-keep]) - {state["best"]["step"]}:
            self.store.delete(_name(old))

    def load(
        self, step: int, remedy: str = "Delete it, and run the command again to go on from the one before"
    ) -> dict[str, Any]:
        """A checkpoint; its tensors are on the processor.

        Parameters
        ----------
        remedy : what the user can do where it cannot be read

        Raises
        ------
        RunFolderError : the file is damaged
        """
        path = self.checkpoint(step)
        try:
            return dict(torch.load(path, map_location="cpu", weights_only=True))
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise RunFolderError(
                f"The checkpoint {path} cannot be read ({(str(error).splitlines() or [type(error).__name__])[0]}). {remedy}"
            ) from error

    def records(self) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl; a last line that a kill cut off is left out."""
        return self.records_from(0)[1]

    def records_from(self, offset: int) -> tuple[int, list[dict[str, Any]]]:
        """The lines behind a place in metrics.jsonl, and the place behind them; from the start where the file has shrunk."""
        path = self.path(METRICS)
        if not path.exists():
            return 0, []
        with path.open("rb") as file:
            file.seek(offset if offset <= path.stat().st_size else 0)
            data = file.read()
            whole = data[: data.rfind(b"\n") + 1]
            return file.tell() - len(data) + len(whole), [json.loads(line) for line in whole.splitlines()]

    def forget_after(self, step: int) -> None:
        """Take the lines of later steps out of metrics.jsonl, because they are done again."""
        kept = [record for record in self.records() if record["step"] <= step]
        self.store.write_text(METRICS, "".join(f"{json.dumps(record)}\n" for record in kept))


def _name(step: int) -> str:
    return f"checkpoints/step-{step:08d}.pt"
