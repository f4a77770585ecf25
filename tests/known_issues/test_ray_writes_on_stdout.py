"""Ray prints its warnings on stdout, where a machine reads our JSON: a job with ten worker processes had one behind its last line."""

import subprocess
import sys

import pytest

SCRIPT = """
import sys, threading, time
from model.ray_session import start_ray
start_ray(None, "label", num_cpus=1, object_store_memory=100 << 20)
from ray._private.utils import publish_error_to_driver
from ray._private.worker import global_worker
def warn(n):
    publish_error_to_driver("worker_pool_large", f"{n} processes", gcs_client=global_worker.gcs_client)
said, write = threading.Event(), sys.stderr.write
sys.stderr.write = lambda text: write(text) and said.set()
for n in range(10, 200):  # what is said before Ray listens is lost
    warn(n)
    if said.wait(0.3):
        break
warn(n + 1), warn(n + 2)  # count as repeated, and are told when the process ends
time.sleep(1)
print("ours")
"""


@pytest.mark.ray
def test_warnings_of_ray_go_to_stderr() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout == "ours\n"
    assert "processes\n" in done.stderr
