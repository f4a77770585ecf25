"""What a data set says of itself to those it is given to: name, licence, version, citation, contact."""

import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from manifests.errors import ConfigError

UNKNOWN_LICENSE: Final = "unknown"

_CREATIVE_COMMONS = re.compile(r"(?:cc[- ]?)?(?P<terms>by(?:-nc)?(?:-sa|-nd)?)[- /]?v?(?P<version>[1-4]\.\d)(?:/.*)?")
_PUBLIC_DOMAIN = re.compile(r"cc[- ]?(?:0|zero)(?:[- ]?v?1\.0)?|publicdomain/zero/1\.0/?")
_OTHERS: Final = {
    "apache-2.0": ("apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0"),
    "mit": ("mit", "https://opensource.org/license/mit"),
    "odbl": ("odbl", "https://opendatacommons.org/licenses/odbl/1-0/"),
    "odbl-1.0": ("odbl", "https://opendatacommons.org/licenses/odbl/1-0/"),
}
# What the Hugging Face hub has a name for; it refuses a card with another.
_ON_THE_HUB: Final = (
    *(f"cc-by-{version}" for version in ("2.0", "2.5", "3.0", "4.0")),
    *(f"cc-by-sa-{version}" for version in ("3.0", "4.0")),
    *(f"cc-by-nc-{version}" for version in ("2.0", "3.0", "4.0")),
    *(f"cc-by-nc-sa-{version}" for version in ("2.0", "3.0", "4.0")),
    *(f"cc-by-nc-nd-{version}" for version in ("3.0", "4.0")),
    "cc-by-nd-4.0",
)


@dataclass(frozen=True, slots=True)
class License:
    """A licence as data state it, and where it is a known one, its name on the Hugging Face hub and its address."""

    stated: str
    hub: str | None
    url: str | None


def known_license(stated: str) -> License:
    """Recognise a licence by its name (``CC BY-NC 4.0``, ``cc-by-nc-4.0``) or its address; nothing is guessed."""
    text = " ".join(stated.strip().lower().split())
    text = re.sub(r"^https?://(www\.)?creativecommons\.org/(licenses/)?", "", text)
    if _PUBLIC_DOMAIN.fullmatch(text):
        return License(stated, "cc0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/")
    if match := _CREATIVE_COMMONS.fullmatch(
        text.replace("by nc", "by-nc").replace("nc sa", "nc-sa").replace("by sa", "by-sa")
    ):
        name = f"cc-{match['terms']}-{match['version']}"
        address = f"https://creativecommons.org/licenses/{match['terms']}/{match['version']}/"
        return License(stated, name if name in _ON_THE_HUB else None, address)
    hub, url = _OTHERS.get(text.replace(" ", "-"), (None, None))
    if url is None and re.match(r"https?://\S+$", stated.strip()):
        url = stated.strip()
    return License(stated, hub, url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What the maker of a data set says of it; what is None is not said.

    Raises
    ------
    ConfigError : a date or a version that is none
    """

    name: str  # of the data set and of its table
    title: str
    description: str
    licenses: dict[str, int]  # clips by the licence they state; ``unknown`` for those that state none
    languages: tuple[str, ...]
    version: str = "1.0.0"
    published: str | None = None  # ISO 8601, such as 2026-03-01; never today, so that a data set made again is the same
    creators: tuple[str, ...] = ()
    citation: str | None = None  # BibTeX
    url: str | None = None
    contact: str | None = None  # to whom to write to have a clip taken down

    def __post_init__(self) -> None:
        if not re.fullmatch(r"\d+\.\d+\.\d+", self.version):
            raise ConfigError(f"'{self.version}' is not a version of a data set: give three numbers, such as 1.0.0")
        if self.published is not None and not _is_date(self.published):
            raise ConfigError(f"'{self.published}' is not a date: give year, month and day, such as 2026-03-01")

    @property
    def language_codes(self) -> tuple[str, ...]:
        """Those of the languages that are ISO 639 codes, which is all that machines understand."""
        return tuple(code for code in self.languages if re.fullmatch(r"[a-z]{2,3}", code))


def _is_date(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
