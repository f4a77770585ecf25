"""The page, section by section, in one file."""

from pathlib import Path

from manifests.html_page import page
from manifests.storage import Store
from review_ui.agreement.report import Report
from review_ui.agreement_page.confusion import confusion_section
from review_ui.agreement_page.headline import footer, header, headline
from review_ui.agreement_page.parts import class_section, machine_section, pair_section, slice_section, week_section
from review_ui.agreement_page.people import escape_section, flag_section, people_section
from review_ui.agreement_page.style import CSS

_LINKS = {
    "progress": "Progress",
    "quote": "Figure to quote",
    "slices": "Slices and languages",
    "classes": "Classes",
    "confusion": "Differences",
    "people": "People",
    "pairs": "Pairs",
    "weeks": "Weeks",
    "machines": "Machines",
    "flags": "Flags",
    "escapes": "Escapes",
}


def write_page(report: Report, out: Path) -> None:
    """Write the report as one HTML file, replacing an older one. It names people by e-mail: it is for the lead.

    Raises
    ------
    StorageError : the file cannot be written
    """
    body = "\n".join(
        [
            header(report, _LINKS),
            headline(report),
            slice_section(report),
            class_section(report),
            confusion_section(report),
            people_section(report),
            pair_section(report),
            week_section(report),
            machine_section(report),
            flag_section(report),
            escape_section(report),
            footer(report),
        ]
    )
    Store(str(out.parent)).write_text(out.name, page(f"Agreement: {report.run}", body, css=CSS))
