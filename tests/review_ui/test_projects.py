"""``review init`` on a real Label Studio."""

import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from manifests.review import TASKS
from manifests.review_folder import ReviewFolder
from manifests.run_folder import RunFolder
from review_ui.config_change import server_config_changed
from review_ui.server import TOKEN_VARIABLE, LabelStudioServer
from review_ui.settings import ReviewSettings
from tests.pipeline.command import EMOTROVE, cli
from tests.review_ui.faulty_proxy import Fault, faulty_proxy
from tests.review_ui.label_studio import RunningLabelStudio
from tests.review_ui.made_run import run_on


@pytest.fixture
def run(label_studio: RunningLabelStudio, monkeypatch: pytest.MonkeyPatch) -> RunFolder:
    monkeypatch.setenv(TOKEN_VARIABLE, label_studio.admin.token)
    return run_on(label_studio)


@pytest.fixture
def server(label_studio: RunningLabelStudio) -> LabelStudioServer:
    return LabelStudioServer(label_studio.url, label_studio.admin.token)


def init(run: RunFolder, *options: object) -> dict[str, dict[str, Any]]:
    """What was done, by slot."""
    result = cli("review", "init", run, *options, "--json")
    assert result.exit_code == 0, result.stderr
    return dict(json.loads(result.stdout)["projects"])


def refused(run: RunFolder, *options: object) -> str:
    """Why not."""
    result = cli("review", "init", run, *options)
    assert result.exit_code == 1 and not result.stdout, result.output
    return result.stderr


def settings(run: RunFolder) -> ReviewSettings:
    return ReviewSettings.read(ReviewFolder(run))


def made_for(run: RunFolder, server: LabelStudioServer) -> list[int]:
    """Ids of the projects on the server that are of this run, by what they say of themselves."""
    review_id = settings(run).review_id
    return sorted(p.id for p in server.sdk.projects.list() if p.id and review_id in (p.description or ""))


def test_three_projects_are_made_once(run: RunFolder, server: LabelStudioServer) -> None:
    first = init(run, "--url", server.url, "--title", "Emilia, first", "--seed", 7)
    assert [slot["did"] for slot in first.values()] == ["made"] * 3
    assert [slot["title"] for slot in first.values()] == [
        "Emilia, first · expert A",
        "Emilia, first · expert B",
        "Emilia, first · adjudication",
    ]
    found = settings(run)
    assert (found.seed, found.screen, found.show_machine) == (7, "both", False)
    before = ReviewFolder(run).store.read_bytes("review/review.yaml")
    again = init(run)
    assert [slot["did"] for slot in again.values()] == ["there"] * 3
    assert (
        [s["project_id"] for s in again.values()] == [s["project_id"] for s in first.values()] == made_for(run, server)
    )
    assert ReviewFolder(run).store.read_bytes("review/review.yaml") == before
    for slot, project in found.projects.items():
        there = server.sdk.projects.get(project.project_id)
        assert there.label_config == project.config
        assert (there.sampling, there.maximum_annotations) == ("Sequential sampling", 1)
        assert (there.show_collab_predictions, there.show_annotation_history, there.show_skip_button) == (False,) * 3
        assert there.enable_empty_annotation is False and there.show_instruction
        assert ("reason" in there.label_config) == (slot == "adjudication")
        assert "声音" in (there.expert_instruction or "") and "voice" in (there.expert_instruction or "")
        [storage] = server.sdk.import_storage.local.list(project=project.project_id)
        assert storage.path == found.clips.folder
        assert there.task_number == 0  # nothing was synced
    assert not list(Path(found.clips.folder).iterdir())  # the probe is gone


def test_clips_are_served_to_experts_and_to_nobody_else(
    run: RunFolder, server: LabelStudioServer, label_studio: RunningLabelStudio
) -> None:
    init(run, "--url", server.url)
    clips = settings(run).clips
    Path(clips.folder, "a clip.wav").write_bytes(b"RIFF")
    expert = LabelStudioServer(server.url, label_studio.expert_a.token)
    assert expert.get(clips.url("a%20clip.wav")).content == b"RIFF"
    assert LabelStudioServer(server.url, "0" * 40).get(clips.url("a%20clip.wav")).status_code == 401
    record = clips.prefix.replace("clips/", "review.yaml")
    assert expert.get(record).status_code == 404  # the key of the names stays ours


def test_an_answer_lost_on_the_way_makes_no_second_project(run: RunFolder, server: LabelStudioServer) -> None:
    with faulty_proxy(server.url) as proxy:
        proxy.add(Fault("POST", r"/api/projects/?$", after=True, skip=1))
        assert "could not make the project" in refused(run, "--url", proxy.url)
        assert set(settings(run).projects) == {"A"}
        assert len(made_for(run, server)) == 2
        done = init(run, "--url", proxy.url)
    assert [slot["did"] for slot in done.values()] == ["there", "found", "made"]
    assert [slot["project_id"] for slot in done.values()] == made_for(run, server)


def test_a_kill_between_making_and_recording(run: RunFolder, server: LabelStudioServer) -> None:
    with faulty_proxy(server.url) as proxy:
        fault = proxy.add(Fault("POST", r"/api/projects/?$", after=True, hold_s=60))
        process = subprocess.Popen([*EMOTROVE, "review", "init", str(run), "--url", proxy.url])
        while fault.hit == 0 or not made_for(run, server):
            assert process.poll() is None
            time.sleep(0.1)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not settings(run).projects
        fault.times = 0
        done = init(run, "--url", proxy.url)
    assert [slot["did"] for slot in done.values()] == ["found", "made", "made"]
    assert len(made_for(run, server)) == 3


def test_a_screen_edited_by_hand_is_told_and_put_back(run: RunFolder, server: LabelStudioServer) -> None:
    init(run, "--url", server.url)
    project = settings(run).projects["A"]
    assert server_config_changed(server, project) is None
    larger = project.config.replace('height="80"', 'height="160"')
    server.sdk.projects.update(project.project_id, label_config=larger)
    assert server_config_changed(server, project) is None
    assert init(run)["A"]["did"] == "there"
    other = project.config.replace('value="angry 生气"', 'value="furious"')
    server.sdk.projects.update(project.project_id, label_config=other, maximum_annotations=3)
    assert '"furious"' in (server_config_changed(server, project) or "")
    said = refused(run)
    assert "was changed by hand" in said and '"furious"' in said and "maximum_annotations is no longer 1" in said
    assert "--repair" in said
    assert init(run, "--repair")["A"]["did"] == "repaired"
    assert server_config_changed(server, project) is None
    assert server.sdk.projects.get(project.project_id).maximum_annotations == 1
    assert init(run)["A"]["did"] == "there"


def test_a_project_deleted_by_hand(run: RunFolder, server: LabelStudioServer) -> None:
    first = init(run, "--url", server.url)
    server.sdk.projects.delete(first["B"]["project_id"])
    assert "slot B" in (said := refused(run)) and "was deleted in Label Studio" in said and "--repair" in said
    done = init(run, "--repair")
    assert [slot["did"] for slot in done.values()] == ["there", "made", "there"]
    assert done["B"]["project_id"] not in {slot["project_id"] for slot in first.values()}


def test_a_server_that_was_set_up_anew(run: RunFolder, server: LabelStudioServer) -> None:
    """Its numbers begin again: one may be of somebody else's project, or of one whose answers are in the ledger."""
    first = init(run, "--url", server.url)["A"]["project_id"]
    server.sdk.projects.update(first, description="Somebody else's")
    assert "is another project than the one that was made for slot A: its description lacks" in (said := refused(run))
    assert "--repair" in said
    review = ReviewFolder(run)
    spare = server.sdk.projects.create(title="the next numbers").id or 0
    server.sdk.projects.delete(spare)
    row = {"slot": "A", "utterance_id": "u", "task_id": 1, "clip": "c", "show_machine": False, "pushed_at": 0}
    had = [first, spare, spare + 1]
    review.append_tasks("A", pa.Table.from_pylist([{**row, "project_id": number} for number in had], schema=TASKS))
    done = init(run, "--repair")
    assert [slot["did"] for slot in done.values()] == ["made", "there", "there"]
    assert done["A"]["project_id"] == spare + 2
    assert made_for(run, server) == sorted(slot["project_id"] for slot in done.values())
    assert server.sdk.projects.get(first).description == "Somebody else's"


def test_a_server_that_has_moved(run: RunFolder, server: LabelStudioServer) -> None:
    first = init(run, "--url", server.url)
    with faulty_proxy(server.url) as proxy:
        moved = init(run, "--url", proxy.url)
        assert settings(run).projects["A"].url == proxy.url
    assert [slot["did"] for slot in moved.values()] == ["found"] * 3
    assert [s["project_id"] for s in moved.values()] == [s["project_id"] for s in first.values()]


def test_a_server_for_expert_b_alone(
    run: RunFolder, server: LabelStudioServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty_proxy(server.url) as proxy:
        monkeypatch.setenv(f"{TOKEN_VARIABLE}_B", "f" * 40)
        assert "the token is wrong" in refused(run, "--url", server.url, "--url-b", proxy.url)
        assert not ReviewFolder(run).has_settings()  # nothing is begun that cannot be finished
        monkeypatch.delenv(f"{TOKEN_VARIABLE}_B")
        done = init(run, "--url", server.url, "--url-b", proxy.url)
        assert [slot["url"] for slot in done.values()] == [server.url, proxy.url, server.url]
        again = init(run, "--url", server.url)
        assert [slot["did"] for slot in again.values()] == ["there"] * 3


def test_what_has_begun_cannot_be_begun_otherwise(run: RunFolder, server: LabelStudioServer) -> None:
    init(run, "--url", server.url, "--screen", "zh")
    assert settings(run).screen == "zh"
    assert "begun with --screen zh" in refused(run, "--screen", "en")
    assert "begun with --show-machine False" in refused(run, "--show-machine")
    assert "begun with --seed 0" in refused(run, "--seed", 3)


def test_what_cannot_be_asked_for(run: RunFolder, server: LabelStudioServer, tmp_path: Path) -> None:
    assert "--url http://" in refused(run)
    assert "1 to 32 signs" in refused(run, "--url", server.url, "--title", "x" * 40)
    assert "is not inside the document root" in refused(run, "--url", server.url, "--document-root", tmp_path)
    assert "give --clips s3://" in refused(run, "--url", server.url, "--clips", "gs://bucket/clips")
    said = refused(run, "--url", server.url, "--clips", "s3://b/clips", "--document-root", tmp_path)
    assert "--document-root is for local clips" in said
    assert "is not a run folder" in refused(RunFolder(str(tmp_path)), "--url", server.url)


def test_a_run_outside_the_document_root_of_the_server(
    run: RunFolder, server: LabelStudioServer, tmp_path: Path
) -> None:
    Path(str(run)).rename(elsewhere := tmp_path / "run")
    said = refused(RunFolder(str(elsewhere)), "--url", server.url)
    assert f"start it with LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={tmp_path}" in said


def test_a_server_that_serves_no_local_files(run: RunFolder, server: LabelStudioServer) -> None:
    # what Label Studio answers without LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED
    body = b'{"validation_errors": {"non_field_errors": ["set the LOCAL_FILES_SERVING_ENABLED environment variable"]}}'
    with faulty_proxy(server.url) as proxy:
        proxy.add(Fault("POST", "/api/storages/localfiles", status=400, body=body))
        said = refused(run, "--url", proxy.url)
        assert "serves no local files. Start it with LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true" in said
        proxy.add(Fault("GET", "/data/local-files", status=404, body=b""))
        assert "does not serve what lies in" in refused(run, "--url", proxy.url)
        assert [slot["did"] for slot in init(run, "--url", proxy.url).values()] == ["there", "made", "made"]


@pytest.fixture
def bucket(s3: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket that Label Studio reads with a key of its own."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"EMOTROVE_LABEL_STUDIO_{name}", "reader")
    return s3


def test_clips_in_a_bucket(run: RunFolder, server: LabelStudioServer, bucket: str) -> None:
    folder = f"s3://{bucket}/first run"
    done = init(run, "--url", server.url, "--clips", folder)
    found = settings(run)
    assert (found.clips.folder, found.clips.url("a.wav")) == (folder, f"{folder}/a.wav")
    [storage] = server.sdk.import_storage.s3.list(project=done["A"]["project_id"])
    assert (storage.bucket, storage.prefix, storage.presign) == (bucket, "first run", True)
    assert [slot["did"] for slot in init(run).values()] == ["there"] * 3
    assert len(server.sdk.import_storage.s3.list(project=done["A"]["project_id"])) == 1


def test_a_bucket_that_is_not_there(run: RunFolder, server: LabelStudioServer, bucket: str) -> None:
    assert "no such bucket" in refused(run, "--url", server.url, "--clips", "s3://no-such-bucket/clips")
