"""One page of one run: what there is of it, section by section, in one file."""

import json
from pathlib import Path

import matplotlib

from manifests.html_page import page
from manifests.run_folder import RunFolder
from manifests.storage import Store
from manifests.svg_plot import RC
from pipeline.page.clips import CSS, POLICY_WITH_SOUND, example_section
from pipeline.page.figures import examples, figures_of
from pipeline.page.sections import (
    confidence_section,
    emotion_section,
    headline,
    made_with,
    outcome_section,
    style_section,
)
from pipeline.reference_pass import REFERENCE
from pipeline.status import status


def write_page(run: RunFolder, path: Path) -> None:
    """Write the page of a run, replacing an older one.

    Raises
    ------
    RunFolderError : this is no run folder
    StorageError : the page cannot be written
    """
    record, account, figures = run.require(), status(run), figures_of(run)
    try:
        reference = json.loads(run.store.read_text(REFERENCE))["languages"]
    except FileNotFoundError:
        reference = {}
    with matplotlib.rc_context(RC):
        sections = [
            headline(record, account),
            outcome_section(account, figures),
            emotion_section(figures),
            confidence_section(figures),
            style_section(figures, reference),
            example_section(examples(run, figures)),
            made_with(record),
        ]
    body = "\n".join(part for part in sections if part)
    text = page(f"Emotion labels: {account.run}", body, css=CSS, policy=POLICY_WITH_SOUND)
    Store(str(path.parent)).write_text(path.name, text)
