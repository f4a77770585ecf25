"""The report on agreement: what ``emotrove review agree --json`` prints, field by field.

A value that the data do not define is None, with a note that says why; nothing is imputed. All lists have a fixed order, so
the same answers with the same seed give the same bytes.
"""

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from manifests.bootstrap import Figure

AGREEMENT_VERSION: Final = 1
"""Version of this structure."""

Treatment = Literal["answers", "emotions"]
Coefficient = Literal["raw", "kappa", "alpha", "ac1"]
COEFFICIENTS: Final[dict[Coefficient, str]] = {
    "raw": "raw agreement",
    "kappa": "Cohen's κ",
    "alpha": "Krippendorff's α",
    "ac1": "Gwet's AC1",
}
SliceName = Literal["all", "control", "selected", "machine_hidden", "machine_shown", "machine_mixed"]
SLICES: Final[dict[SliceName, str]] = {
    "all": "control and selected clips together; gold items are apart",
    "control": "clips that chance chose: they stand for the whole data",
    "selected": "clips that a model chose",
    "machine_hidden": "neither expert saw the machine's label",
    "machine_shown": "both experts saw the machine's label",
    "machine_mixed": "one of the experts saw the machine's label",
}


@dataclass(frozen=True, slots=True)
class Coefficients:
    """Agreement of two raters, or of many, in [-1, 1]; raw agreement in [0, 1]."""

    n: int  # clips that both raters answered (with many raters: at least two of them)
    n_sources: int  # recordings these clips come from: what the bootstrap draws
    raw: Figure  # share of the clips with the same answer (with many raters: of the pairs of answers, mean over clips)
    kappa: Figure  # Cohen 1960; not defined for many raters
    alpha: Figure  # Krippendorff 2011, nominal
    ac1: Figure  # Gwet 2008


@dataclass(frozen=True, slots=True)
class OneClass:
    """One category against all others; among all answers."""

    name: str
    either: int  # clips to which at least one expert gave it
    both: int  # clips to which both gave it
    figures: Coefficients


@dataclass(frozen=True, slots=True)
class Slice:
    """A part of the clips that is read on its own."""

    name: SliceName
    answers: Coefficients  # emotions and escapes are categories alike
    emotions: Coefficients  # only clips to which both gave an emotion
    classes: tuple[OneClass, ...]  # in the order of ``Report.categories``


@dataclass(frozen=True, slots=True)
class Language:
    language: str | None  # None: the input did not say
    answers: Coefficients
    emotions: Coefficients


@dataclass(frozen=True, slots=True)
class Pair:
    """Two people, over all clips that both answered, whoever was in which slot."""

    people: tuple[str, str]  # in alphabetical order
    answers: Coefficients
    emotions: Coefficients


@dataclass(frozen=True, slots=True)
class Week:
    """Clips whose later answer was given in this week. A week without one is left out."""

    week: str  # ISO 8601, e.g. 2026-W03, in UTC
    monday: str  # its first day, e.g. 2026-01-12
    answers: Coefficients


@dataclass(frozen=True, slots=True)
class Confusion:
    """What A said (rows) against what B said (columns), over all answers of the slice ``all``."""

    categories: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]  # counts[row][column], clips


@dataclass(frozen=True, slots=True)
class Share:
    """A proportion with its 95 % Wilson interval; all None where n is 0."""

    n: int
    hits: int
    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Person:
    """One expert, over slots A and B."""

    annotator: str
    answers: int  # that are there, flagged ones too
    counted: int
    escapes: int  # among the counted
    flags: dict[str, int]  # answers by flag; an answer may have several
    seconds_per_clip: float | None  # median of Label Studio's lead time of the counted answers
    seconds_per_second: float | None  # median of lead time / duration of the clip
    gold: Share  # of the gold items: the answer is the known emotion; an escape is not


@dataclass(frozen=True, slots=True)
class VoterAgreement:
    """A voter against the experts, over clips to which the experts gave an emotion; gold items are apart.

    ``figures.raw`` is the voter's accuracy. The voter's categories are the seven emotions, other and unknown.
    """

    voter: str | None  # None: the consensus of all voters
    expert: str | None  # None: clips to which both experts gave the same emotion
    slice: Literal["all", "control"]
    figures: Coefficients


@dataclass(frozen=True, slots=True)
class Counts:
    """How far review is. Clips are counted once, gold items included."""

    pushed: dict[str, int]  # clips by arm: control, selected, gold
    both: int  # clips with a counted answer in both slots
    one: int  # in one slot
    none: int
    answers: int  # annotations in the slots A and B, flagged ones too
    flagged: int  # of these
    flags: dict[str, int]  # by flag, every flag; an answer may have several
    escapes: dict[str, int]  # counted answers by escape, every escape


@dataclass(frozen=True, slots=True)
class Headline:
    """The figure to quote: Krippendorff's alpha over all answers, of the control slice where there is one."""

    slice: SliceName
    treatment: Treatment
    coefficient: Coefficient
    n: int
    figure: Figure


@dataclass(frozen=True, slots=True)
class Report:
    version: int
    run: str  # last part of the run folder's name
    resamples: int
    seed: int
    confidence: float
    categories: tuple[str, ...]  # of an answer: the seven emotions, then the escapes
    emotions: tuple[str, ...]
    headline: Headline
    counts: Counts
    slices: tuple[Slice, ...]  # all, control, selected; by what the experts saw only where that differs
    languages: tuple[Language, ...]  # of the slice all, as all below; most clips first
    pairs: tuple[Pair, ...]  # most clips first
    weeks: tuple[Week, ...]  # by time
    confusion: Confusion
    people: tuple[Person, ...]  # by name
    voters: tuple[VoterAgreement, ...]  # by voter, the consensus first
    among_voters: Coefficients  # the voters among themselves, on the clips of the slice all

    def slice(self, name: SliceName) -> Slice | None:
        """The slice of this name, where the report has it."""
        return next((part for part in self.slices if part.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """Plain lists, dicts, strings, numbers and None."""
        return asdict(self)
