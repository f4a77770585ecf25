"""Reports on agreement, measured of answers that were drawn."""

import random
from pathlib import Path

from manifests.emotions import CLASSES
from manifests.review import ESCAPES
from review_ui.agreement.measure import measure
from review_ui.agreement.report import Report
from review_ui.agreement_page import write_page
from tests.review_ui.agreement.answered_run import Answered, answered_run

EMOTIONS = [str(emotion) for emotion in CLASSES]
LONG_NAME = "maria.del-carmen.fernandez-gonzalez@speech-department.university.example"


def answered(
    n: int, people: list[str], languages: list[str | None], weeks: int = 1, seed: int = 0, other: float = 0.3
) -> list[Answered]:
    """Clips of all arms whose two experts, drawn for each, hear something else in this share of the cases."""
    chance = random.Random(seed)

    def heard(emotion: str) -> str:
        if chance.random() < 0.06:
            return chance.choice(ESCAPES)
        return chance.choice(EMOTIONS) if chance.random() < other else emotion

    clips = []
    for i in range(n):
        emotion, pair = chance.choice(EMOTIONS), chance.sample(people, 2)
        arm = chance.choice(["control", "selected", "selected", "gold"])
        clips.append(
            Answered(
                heard(emotion) if i % 20 else None,
                heard(emotion) if i % 10 else None,
                people=(pair[0], pair[1]),
                source=f"source {chance.randrange(1 + n // 3)}",
                arm=arm,
                language=chance.choice(languages),
                gold=emotion if arm == "gold" else None,
                machine=emotion,
                votes={"seed": emotion, "sensevoice": chance.choice(EMOTIONS)},
                lead_time_s=chance.choice([2.0, 4.0, 6.0, 9.0]),
                days=7 * (i * weeks // n),
            )
        )
    return clips


def report_of(folder: Path, clips: list[Answered]) -> Report:
    return measure(answered_run(folder, clips), resamples=100)


def text_of(report: Report, folder: Path) -> str:
    write_page(report, folder / "agreement.html")
    return (folder / "agreement.html").read_text("utf-8")


def some_report(folder: Path) -> Report:
    """Three people, two languages and none, three weeks."""
    people = ["anna.lindqvist@example.org", "李雷@例子.example", LONG_NAME]
    return report_of(folder, answered(300, people, ["en", "zh", None], weeks=3))
