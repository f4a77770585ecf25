"""What each expert did, which answers do not count and why, and the escapes."""

from manifests.html_page import Html, section, table
from manifests.review import FLAGS
from review_ui.agreement.report import Person, Report
from review_ui.agreement_page.strips import strip_table
from review_ui.agreement_page.words import answer_name, long, number, part

NO_ANSWERS = "<p>Nobody has answered yet.</p>"


def people_section(report: Report) -> str:
    """A line for each expert, with gold accuracy as a strip."""
    if not report.people:
        return section("People", NO_ANSWERS, "people")
    text = (
        "<p>Gold items have a known answer; an escape is not it. Seconds are the median of the time Label Studio measured for an "
        "answer, × clip the median of that time over the length of the clip: below 1 the clip was not heard to its end.</p>"
    )
    rows = [
        (
            (long(one.annotator), one.answers, one.counted, one.escapes),
            (one.gold,),
            (number(one.seconds_per_clip, 1), number(one.seconds_per_second, 1), _flags(one)),
        )
        for one in report.people
    ]
    head = ("person", "answers", "counted", "escapes")
    return section(
        "People",
        text + strip_table(head, ("gold accuracy",), rows, ("seconds", "× clip", "flags")),
        "people",
    )


def flag_section(report: Report) -> str:
    """Every flag, what it means, and how many answers have it."""
    counts = report.counts
    text = (
        f"<p>{counts.flagged:,} of {counts.answers:,} answers have a flag: they are kept and do not count. An answer may have "
        "several.</p>"
    )
    rows = [(flag, FLAGS.get(flag, ""), n) for flag, n in counts.flags.items()]
    return section(
        "Flagged answers", text + table(("flag", "why such an answer does not count", "answers"), rows), "flags"
    )


def escape_section(report: Report) -> str:
    """How often which escape was taken."""
    counts = report.counts
    counted = counts.answers - counts.flagged
    rows = [(answer_name(name), n, part(n, counted)) for name, n in counts.escapes.items()]
    text = f"<p>Answers that are outcomes of their own and no emotion, among the {counted:,} that count.</p>"
    return section("Escapes", text + table(("escape", "answers", "of those that count"), rows), "escapes")


def _flags(person: Person) -> Html:
    said = [f'<span class="line">{long(f"{flag} {n:,}")}</span>' for flag, n in person.flags.items() if n]
    return Html("".join(said) or "none")
