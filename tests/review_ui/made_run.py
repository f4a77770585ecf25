"""A small labelled run below the document root of a test's Label Studio."""

import uuid

from manifests.run_folder import RunFolder
from tests.pipeline.small_run import a_vote, finished_run
from tests.review_ui.label_studio import RunningLabelStudio


def run_on(server: RunningLabelStudio, name: str = "run") -> RunFolder:
    """A run of one clip, in a folder of its own that the server can serve."""
    folder = server.document_root / f"{name}-{uuid.uuid4().hex[:8]}"
    return finished_run(
        folder, [{"utterance_id": "EN_1", "shard": "EN-B000000", "position": 0, "votes": [a_vote("sad")]}]
    )
