"""A real Label Studio for tests: its own process on loopback, SQLite, an admin and four more users."""

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.packages import missing

ROOT = Path(__file__).resolve().parents[2]
EXECUTABLE_VARIABLE = "EMOTROVE_LABEL_STUDIO"
_START_S = 300


@dataclass(frozen=True)
class User:
    """Somebody with an account."""

    email: str
    password: str
    token: str
    id: int


def find_executable() -> str:
    """Path of the ``label-studio`` program; without one the present test skips, or fails in CI."""
    for candidate in (os.environ.get(EXECUTABLE_VARIABLE), str(ROOT / ".label-studio" / "bin" / "label-studio")):
        if candidate and Path(candidate).is_file():
            return candidate
    found = shutil.which("label-studio")
    if found is None:
        missing(f"Label Studio is not installed: make label-studio, or set {EXECUTABLE_VARIABLE} to its program")
    return str(found)


class RunningLabelStudio:
    """A server that a test may stop and start again on the same port and data.

    Attributes
    ----------
    url : where it listens
    admin, expert_a, expert_b, adjudicator, spare : User
    document_root : the folder below which it serves local files
    """

    admin: User
    expert_a: User
    expert_b: User
    adjudicator: User
    spare: User

    def __init__(self, folder: Path) -> None:
        self._executable = find_executable()
        self._data = folder / "data"
        self._log = folder / "server.log"
        self.document_root = folder / "served"
        for made in (self._data, self.document_root):
            made.mkdir()
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._process: subprocess.Popen[bytes] | None = None
        self._admin_login = ("admin@example.com", "admin-pass-123", "0123456789abcdef0123456789abcdef01234567")

    @property
    def users(self) -> list[User]:
        return [self.admin, self.expert_a, self.expert_b, self.adjudicator, self.spare]

    def set_up(self) -> None:
        """Start for the first time, which fills the data base (half a minute), and make the users."""
        self.start()
        self._make_users()

    def start(self) -> None:
        """Start the server, and wait until it answers."""
        assert self._process is None, "it runs already"
        email, password, token = self._admin_login
        env = {name: value for name, value in os.environ.items() if not name.startswith(("LABEL_STUDIO", "DJANGO"))}
        settings = {
            "USERNAME": email,
            "PASSWORD": password,
            "USER_TOKEN": token,
            "ENABLE_LEGACY_API_TOKEN": "true",
            "LOCAL_FILES_SERVING_ENABLED": "true",
            "LOCAL_FILES_DOCUMENT_ROOT": str(self.document_root),
            "SSRF_PROTECTION_ENABLED": "false",  # for webhooks and object stores on loopback
            "COLLECT_ANALYTICS": "false",
            "LATEST_VERSION_CHECK": "false",
            "SENTRY_DSN": "",
            "FRONTEND_SENTRY_DSN": "",
            "HOST": "",
        }
        env.update({f"LABEL_STUDIO_{name}": value for name, value in settings.items()})
        command = [self._executable, "start", "--no-browser", "--internal-host", "127.0.0.1", "--port", str(self.port)]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*command, "--data-dir", str(self._data), "--log-level", "WARNING"],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"Label Studio did not start:\n{self.log()[-3000:]}")
            time.sleep(0.2)

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        """End the server; by default at once, as a crash would."""
        if self._process is not None:
            if self._process.poll() is None:
                os.killpg(self._process.pid, how)
            self._process.wait(timeout=60)
            self._process = None

    def log(self) -> str:
        return self._log.read_text("utf-8", "replace")

    def _answers(self) -> bool:
        import httpx

        try:
            return httpx.get(f"{self.url}/health", timeout=2, trust_env=False).status_code == 200
        except httpx.TransportError:
            return False

    def _make_users(self) -> None:
        """Experts come as they do in real life: by the link of invitation, each in a session of their own."""
        import httpx

        email, password, token = self._admin_login
        with httpx.Client(base_url=self.url, headers={"Authorization": f"Token {token}"}, trust_env=False) as admin:
            me = admin.get("/api/current-user/whoami").raise_for_status().json()
            self.admin = User(email, password, token, me["id"])
            invitation = admin.get("/api/invite").raise_for_status().json()["invite_url"]
        for name in ("expert_a", "expert_b", "adjudicator", "spare"):
            email, password = f"{name.replace('_', '.')}@example.com", f"{name}-pass-123"
            with httpx.Client(base_url=self.url, follow_redirects=True, trust_env=False) as person:
                page = person.get(invitation).raise_for_status().text
                form = {"email": email, "password": password, "allow_newsletters": "false"}
                form["csrfmiddlewaretoken"] = re.findall(r'name="csrfmiddlewaretoken" value="(\w+)"', page)[0]
                person.post(invitation, data=form, headers={"Referer": f"{self.url}/"}).raise_for_status()
                token = person.get("/api/current-user/token").raise_for_status().json()["token"]
                me = person.get("/api/current-user/whoami").raise_for_status().json()
                setattr(self, name, User(email, password, token, me["id"]))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
