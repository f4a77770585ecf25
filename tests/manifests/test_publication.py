"""What a data set says of itself."""

import pytest

from manifests.errors import ConfigError
from manifests.publication import known_license
from tests.manifests.small_release import about

_BY_NC = ("cc-by-nc-4.0", "https://creativecommons.org/licenses/by-nc/4.0/")


@pytest.mark.parametrize(
    ("stated", "hub", "url"),
    [
        ("CC BY-NC 4.0", *_BY_NC),
        ("cc-by-nc-4.0", *_BY_NC),
        (" CC-BY-NC 4.0 ", *_BY_NC),
        ("https://creativecommons.org/licenses/by-nc/4.0/", *_BY_NC),
        ("http://www.creativecommons.org/licenses/by-nc/4.0/legalcode", *_BY_NC),
        ("CC BY-NC-SA 4.0", "cc-by-nc-sa-4.0", "https://creativecommons.org/licenses/by-nc-sa/4.0/"),
        ("CC BY NC SA 4.0", "cc-by-nc-sa-4.0", "https://creativecommons.org/licenses/by-nc-sa/4.0/"),
        ("CC BY 1.0", None, "https://creativecommons.org/licenses/by/1.0/"),
        ("CC0", "cc0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
        ("Apache-2.0", "apache-2.0", "https://www.apache.org/licenses/LICENSE-2.0"),
        ("ODbL", "odbl", "https://opendatacommons.org/licenses/odbl/1-0/"),
        ("https://example.org/terms", None, "https://example.org/terms"),
        ("javascript:alert(1)", None, None),
        ("CC BY", None, None),  # of which version is not said
        ("not CC BY 4.0", None, None),
        ("unknown", None, None),
        ("", None, None),
    ],
)
def test_a_licence_is_recognised_or_not(stated: str, hub: str | None, url: str | None) -> None:
    found = known_license(stated)
    assert (found.stated, found.hub, found.url) == (stated, hub, url)


@pytest.mark.parametrize("version", ["1", "1.0", "v1.0.0", "1.0.0-beta", ""])
def test_a_version_is_three_numbers(version: str) -> None:
    with pytest.raises(ConfigError, match="such as 1.0.0"):
        about(version=version)


@pytest.mark.parametrize("published", ["today", "2026-3-1", "2026-02-30", "20260301", ""])
def test_a_date_is_a_day_of_the_calendar(published: str) -> None:
    with pytest.raises(ConfigError, match="such as 2026-03-01"):
        about(published=published)
