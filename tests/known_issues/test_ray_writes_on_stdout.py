"""Ray prints its warnings on stdout, where a machine reads our JSON: a job with ten worker processes had one behind its last line."""

import subprocess
import sys

import pytest

SCRIPT = """
import time
from model.ray_session import start_ray
start_ray(None, "label", num_cpus=1, object_store_memory=100 << 20)
from ray._private.utils import publish_error_to_driver
from ray._private.worker import global_worker
for n in (10, 12, 14):  # all but the first count as repeated
    publish_error_to_driver("worker_pool_large", f"{n} processes", gcs_client=global_worker.gcs_client)
time.sleep(3)
print("ours")
"""


@pytest.mark.ray
def test_warnings_of_ray_go_to_stderr() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "ours\n"
    assert "10 processes" in done.stderr
