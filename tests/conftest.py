"""Fixtures that all rooms share."""

import logging
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.packages import missing, require
from tests.review_ui.label_studio import RunningLabelStudio

# A loaded machine is no fault of the code, so examples have no deadline.
hypothesis.settings.register_profile("no-deadline", deadline=None)
hypothesis.settings.load_profile("no-deadline")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real audio and labels; they lie beside the project where it is developed and tested, not on a user's machine."""
    data = SHARED / "data"
    if not data.is_dir():
        missing("the shared data sets are not beside this checkout")
    return data


@pytest.fixture(scope="session")
def local_ray():
    """One Ray for all tests of the session that run a job in their own process."""
    from pipeline.config import EngineConfig
    from pipeline.engine import start

    start(EngineConfig(object_store_megabytes=200))
    import ray

    yield ray
    ray.shutdown()


@pytest.fixture(scope="session")
def label_studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningLabelStudio]:
    """One real Label Studio for all tests of the session; a test that stops it starts it again."""
    require("label_studio_sdk", "pip install 'emotrove[review]'")
    server = RunningLabelStudio(tmp_path_factory.mktemp("label-studio"))
    try:
        server.set_up()
        yield server
    finally:
        server.stop()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need Label Studio, so that they can be left out."""
    for item in items:
        if "label_studio" in getattr(item, "fixturenames", ()):
            item.add_marker("label_studio")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 200 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        missing(f"no small disk can be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Name of a bucket on a real S3 server on loopback, which the environment leads to."""
    require("moto", "pip install 'moto[server]'")
    require("s3fs", "pip install 'emotrove[s3]'")
    import boto3
    import s3fs
    from moto.server import ThreadedMotoServer

    s3fs.S3FileSystem.clear_instance_cache()  # one made before would talk to the store of an earlier test
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "writer")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "writer")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    name = f"bucket-{uuid.uuid4().hex}"
    boto3.client("s3").create_bucket(Bucket=name)
    yield name
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()
