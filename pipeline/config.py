"""The configuration of a labelling run: profiles, a user's YAML on top, checked before anything starts."""

import graphlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from annotators.base import OUTPUT_FIELDS, SHARED_FIELDS, Annotator, Options
from annotators.registry import find
from manifests.errors import ConfigError
from manifests.settings import explain, merge, read_settings


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AudioConfig(_Section):
    """Which clips are taken at all."""

    min_duration_s: float = Field(0.5, ge=0)
    max_duration_s: float = Field(30.0, gt=0, le=60)

    @model_validator(mode="after")
    def _ordered(self) -> "AudioConfig":
        if self.min_duration_s >= self.max_duration_s:
            raise ValueError("min_duration_s must be below max_duration_s")
        return self


class ChunkConfig(_Section):
    """The unit of commit: how much is lost, at most, when the job is killed."""

    clips: int = Field(256, ge=1, le=4096)
    megabytes: int = Field(16, ge=1, le=256)  # of encoded audio


class ReferenceConfig(_Section):
    """The sample from which low, medium and high are drawn."""

    clips: int = Field(500, ge=30)  # per language that the names of the shards show
    shards: int = Field(64, ge=1)  # likewise
    min_clips: int = Field(30, ge=2)  # below this a language gets no words


class EngineConfig(_Section):
    """How Ray is used. Changes no label, so it may differ between the runs of one folder."""

    read_cpus: float = Field(0.2, gt=0)  # of one read task; reading is far cheaper than labelling
    actor_cpus: float = Field(0.75, gt=0)  # of one process of annotators that need no GPU
    actors: int | None = Field(None, ge=1)  # per group of annotators; None: as many as fit
    max_batch_clips: int | None = Field(None, ge=1)
    gpus: dict[str, float] = Field(default_factory=dict)  # by annotator: of one process; a part of a GPU may be shared
    object_store_megabytes: int = Field(512, ge=80)  # of a Ray that this command starts
    in_flight_megabytes: int = Field(192, ge=16)  # decoded audio between the stages


class RunConfig(_Section):
    """Everything a run depends on. ``annotators`` maps a name to its options."""

    audio: AudioConfig = AudioConfig()
    chunk: ChunkConfig = ChunkConfig()
    reference: ReferenceConfig = ReferenceConfig()
    annotators: dict[str, dict[str, Any]] = Field(min_length=1)
    engine: EngineConfig = EngineConfig()

    def identity(self) -> dict[str, Any]:
        """The part that decides the rows; it must stay the same in one run folder."""
        resolved = self.model_dump(mode="json", exclude={"engine"})
        # With the defaults written out: one that a later release changes is then seen as the change it is.
        for name, options in self.annotators.items():
            resolved["annotators"][name] = find(name).Options.model_validate(options).model_dump(mode="json")
        return resolved

    def chain(self) -> list[type[Annotator]]:
        """The annotators in an order in which each follows those whose outputs it takes, otherwise as written.

        Raises
        ------
        ConfigError : one is unknown, two write one field, or an input has no writer
        MissingPackage : one needs a package that is not installed
        """
        classes = {name: find(name) for name in self.annotators}
        options = {name: self._options(annotator) for name, annotator in classes.items()}
        writers: dict[str, list[str]] = {}
        for name, annotator in classes.items():
            for output in annotator.gives(options[name]):
                if output not in OUTPUT_FIELDS:
                    raise ConfigError(f"annotators.{name}: writes '{output}', which is no field of a row")
                writers.setdefault(output, []).append(name)
        for output, names in writers.items():
            # One that also uses the field writes it only where nobody has.
            sole = [name for name in names if output not in classes[name].uses]
            if output not in SHARED_FIELDS and len(sole) > 1:
                raise ConfigError(f"annotators: {' and '.join(sole)} both write '{output}'; keep one of them")
        before: dict[str, list[str]] = {}
        for name, annotator in classes.items():
            before[name] = []
            for field in annotator.inputs:
                if field not in writers:
                    raise ConfigError(f"annotators.{name}: takes '{field}', which no annotator of this chain gives")
            for field in (*annotator.inputs, *annotator.uses):
                before[name] += [writer for writer in writers.get(field, ()) if writer != name]
        for name, annotator in classes.items():
            annotator.check(options[name])
        order = graphlib.TopologicalSorter({name: sorted(before[name]) for name in classes})
        rank = {name: i for i, name in enumerate(classes)}
        result: list[type[Annotator]] = []
        try:
            order.prepare()
        except graphlib.CycleError as error:
            raise ConfigError(
                f"annotators: {', '.join(sorted(set(error.args[1])))} wait for each other's outputs"
            ) from None
        ready = list(order.get_ready())
        while ready:
            ready.sort(key=rank.__getitem__)
            name = ready.pop(0)
            result.append(classes[name])
            order.done(name)
            ready += order.get_ready()
        return result

    def feature_annotators(self, chain: Sequence[type[Annotator]]) -> list[str]:
        """Names of the annotators of the chain that give utterance features."""
        return [annotator.name for annotator in chain if "features" in annotator.gives(self._options(annotator))]

    def _options(self, annotator: type[Annotator]) -> Options:
        try:
            return annotator.Options.model_validate(self.annotators[annotator.name])
        except ValidationError as error:
            raise ConfigError(explain(error, f"annotators.{annotator.name}.")) from None


def profiles() -> list[str]:
    """Names of the profiles that come with emotrove."""
    return sorted(
        p.name.removesuffix(".yaml")
        for p in files("pipeline").joinpath("profiles").iterdir()
        if p.name.endswith(".yaml")
    )


def load_config(profile: str) -> RunConfig:
    """The configuration of a profile, or of a user's YAML file.

    A user's file names the profile it starts from (``profile: embedded``, the default) and gives what differs; an annotator
    set to null is taken out.

    Raises
    ------
    ConfigError : with the path of the wrong key
    """
    if not profile.endswith((".yaml", ".yml")):
        return _validate(_profile(profile), f"profile '{profile}'")
    user = read_settings(profile)
    base = user.pop("profile", "embedded")
    if not isinstance(base, str):
        raise ConfigError(f"{profile}: profile: must be one of {', '.join(profiles())}")
    merged = merge(_profile(base), user)
    if isinstance(merged.get("annotators"), dict):
        merged["annotators"] = {name: options for name, options in merged["annotators"].items() if options is not None}
    return _validate(merged, profile)


def _profile(name: str) -> dict[str, Any]:
    if name not in profiles():
        raise ConfigError(
            f"There is no profile '{name}'. Profiles are {', '.join(profiles())}; your own is a file ending in .yaml"
        )
    data = yaml.safe_load(files("pipeline").joinpath("profiles", f"{name}.yaml").read_text("utf-8"))
    return dict(data)


def _validate(data: dict[str, Any], where: str) -> RunConfig:
    try:
        return RunConfig.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{where}: {explain(error)}") from None
