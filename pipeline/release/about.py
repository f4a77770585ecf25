"""What the maker of a release says of it: a YAML file whose words go into the data card and the Croissant metadata."""

import datetime as dt
from collections.abc import Iterable, Mapping

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from manifests.errors import ConfigError, InputError
from manifests.publication import Publication
from manifests.settings import explain
from manifests.storage import open_binary


class About(BaseModel):
    """The keys of the file; all may be left out."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str | None = None
    description: str = "Speech with emotions on which people agreed who listened without seeing each other's answer."
    version: str = "1.0.0"
    published: dt.date | None = None
    creators: list[str] = []
    citation: str | None = None
    url: str | None = None
    contact: str | None = None
    license: str | None = None  # of the clips whose input states none, as the JSON of Emilia does not

    def publication(self, name: str, licenses: Mapping[str, int], languages: Iterable[str]) -> Publication:
        """With what emotrove knows of the release.

        Raises
        ------
        ConfigError : the version is none
        """
        return Publication(
            name=name,
            title=self.title or name,
            description=self.description,
            licenses=dict(licenses),
            languages=tuple(languages),
            version=self.version,
            published=self.published.isoformat() if self.published else None,
            creators=tuple(self.creators),
            citation=self.citation,
            url=self.url,
            contact=self.contact,
        )


def read_about(path: str) -> About:
    """Read the file.

    Raises
    ------
    InputError : it cannot be read
    ConfigError : it is not YAML, or has an unknown key or a wrong value
    """
    try:
        with open_binary(path) as file:
            data = yaml.safe_load(file)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}. Check its path") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not YAML: {error}") from None
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: write one key on each line, such as title: …; the keys are {', '.join(_keys())}")
    try:
        return About.model_validate(data)
    except ValidationError as error:
        raise ConfigError(f"{path}: {explain(error)}. The keys are {', '.join(_keys())}") from None


def _keys() -> list[str]:
    return list(About.model_fields)
