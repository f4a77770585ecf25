"""Whether the clips of a release may be handed on together."""

from collections import Counter
from collections.abc import Iterable

from manifests.errors import EmotroveError
from manifests.publication import UNKNOWN_LICENSE


class MixedLicenses(EmotroveError):
    """The clips of a release have several licences, or some have none that is known."""


def check_licenses(licenses: Iterable[str | None], allow_mixed: bool) -> dict[str, int]:
    """Count the licences of the clips, most frequent first; clips without one count as ``unknown``.

    Raises
    ------
    MixedLicenses : there is more than one, or a clip without one, and this was not allowed
    """
    found = Counter(license or UNKNOWN_LICENSE for license in licenses)
    counts = dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
    if allow_mixed or (len(counts) == 1 and UNKNOWN_LICENSE not in counts):
        return counts
    said = ", ".join(f"{name} ({count:,} clips)" for name, count in counts.items() if name != UNKNOWN_LICENSE)
    without = (
        f"{counts[UNKNOWN_LICENSE]:,} of {found.total():,} clips state no licence" if UNKNOWN_LICENSE in counts else ""
    )
    several = f"the clips have several licences: {said}" if len(counts) - (UNKNOWN_LICENSE in counts) > 1 else ""
    raise MixedLicenses(
        f"This release cannot be given one licence: {'; '.join(filter(None, (several, without)))}. State that of clips "
        "without one in the file of --about (license: …), keep sources out with --exclude, or say that you want it so with "
        "--allow-mixed-licenses"
    )
