"""What a training depends on; the paper's values are the defaults, and where the paper is silent those of data2vec 2.0."""

import inspect
from enum import Enum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model, model_validator

from manifests.errors import ConfigError
from manifests.settings import explain, merge, parse_setting, read_settings
from model.emotion2vec_s.configuration import Emotion2VecSConfig
from model.emotion2vec_s.limits import impossible
from model.emotion2vec_s.pretraining.configuration import PreTrainingConfig


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Balance(str, Enum):
    """How often a labelled clip is drawn by its class."""

    FULL = "full"  # every class as often as every other
    SQUARE_ROOT = "square_root"  # as the square root of the number of its clips
    NONE = "none"  # as it occurs


class DataConfig(_Section):
    """Which clips make a batch. The number of workers changes none of it."""

    batch_s: float = Field(500.0, gt=0)  # seconds of audio in one update, over all workers and their accumulated parts
    labelled_share: float = Field(0.5, gt=0, lt=1)  # of these seconds, where there are unlabelled clips too
    balance: Balance = Balance.SQUARE_ROOT
    min_duration_s: float = Field(0.5, ge=0.1)  # shorter clips are left out, and counted
    max_duration_s: float = Field(20.0, gt=0, le=60)  # of a longer clip this much is taken, at a place drawn each time
    bucket_batches: int = Field(
        50, ge=1
    )  # clips of so many batches are sorted by length before they are cut into batches

    @model_validator(mode="after")
    def _ordered(self) -> "DataConfig":
        if self.min_duration_s >= self.max_duration_s:
            raise ValueError("min_duration_s must be below max_duration_s")
        return self


class OptimizerConfig(_Section):
    """Adam with decoupled weight decay; the rate grows linearly and then falls along a cosine to zero."""

    learning_rate: float = Field(7.5e-5, gt=0)
    weight_decay: float = Field(1e-2, ge=0)  # not of biases, norms and the scale of ALiBi
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = Field(1e-6, gt=0)
    warmup_share: float = Field(0.05, ge=0, lt=1)  # of all steps
    clip_norm: float | None = Field(1.0, gt=0)  # of the gradient; null for no clipping


class CheckpointConfig(_Section):
    every: int = Field(1000, ge=1)  # steps
    keep: int = Field(3, ge=1)  # the last so many; the best one stays as well


class LogConfig(_Section):
    to: tuple[Literal["tensorboard", "mlflow"], ...] = ()  # besides metrics.jsonl
    every: int = Field(1, ge=1)  # steps


class TrainingConfig(_Section):
    """Everything a training depends on, and how it is watched."""

    init: str | None = None  # weights to start from: a folder, a hub name, or a URL; None: random ones
    network: dict[str, Any] = Field(default_factory=dict)  # shape of a network with random weights
    pretraining: PreTrainingConfig = PreTrainingConfig()
    data: DataConfig = DataConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    steps: int = Field(100_000, ge=1)
    accumulation: int = Field(2, ge=1)  # parts that an update is computed in; the contrast sees one part at a time
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    seed: int = Field(0, ge=0, lt=2**32)
    checkpoints: CheckpointConfig = CheckpointConfig()
    log: LogConfig = LogConfig()

    @model_validator(mode="after")
    def _network_fits(self) -> "TrainingConfig":
        try:
            shape = _Network.model_validate(self.network)
        except ValidationError as error:
            raise ValueError(explain(error, "network.")) from None
        if self.init is not None and any(key not in RATES for key in self.network):
            raise ValueError(
                f"network: the weights of init decide the shape; beside it only {', '.join(sorted(RATES))} may be given"
            )
        if problem := impossible(shape.model_dump()):
            raise ValueError(f"network.{problem}")
        return self

    def identity(self) -> dict[str, Any]:
        """The part that decides the weights; it must stay the same in one folder."""
        return {name: value for name, value in self.all_values().items() if name not in ("checkpoints", "log")}

    def all_values(self) -> dict[str, Any]:
        """All keys with their values, those of the network too where no weights decide them."""
        values = self.model_dump(mode="json")
        if self.init is None:
            values["network"] = _Network.model_validate(self.network).model_dump(mode="json")
        return values


RATES = frozenset(
    name for name in inspect.signature(Emotion2VecSConfig).parameters if name.endswith(("dropout", "drop"))
)
"""Keys of the network that change no shape."""

_FIELDS: dict[str, Any] = {
    name: (parameter.annotation, parameter.default)
    for name, parameter in inspect.signature(Emotion2VecSConfig).parameters.items()
    if name not in ("kwargs", "labels", "head_hidden_size")  # pre-training has no head
}


class _Strict(_Section):
    model_config = ConfigDict(strict=True)  # the values go to the network as they were given: "96" stays a text


_Network = create_model("_Network", __base__=_Strict, **_FIELDS)
"""The types of the network's own configuration class, which checks none of them."""


def load_config(path: str | None, settings: list[str], init: str | None = None) -> TrainingConfig:
    """The configuration of a command.

    Parameters
    ----------
    path : a YAML file that says what differs from the defaults
    settings : ``key=value`` on top of it; the key is a path such as ``optimizer.learning_rate``, the value is YAML
    init : on top of both

    Raises
    ------
    ConfigError : with the path of the wrong key
    """
    given = read_settings(path) if path else {}
    for setting in settings:
        given = merge(given, parse_setting(setting))
    if init is not None:
        given["init"] = init
    try:
        return TrainingConfig.model_validate(given)
    except ValidationError as error:
        where = " with ".join([*([path] if path else []), *(["--set"] if settings else [])]) or "the configuration"
        raise ConfigError(f"{where}: {explain(error)}. See all keys with --print-config") from None
