"""Hints from Label Studio that something happened, so that a watching pull need not wait for its next turn.

Label Studio sends a webhook once, unsigned, and does not care whether it arrives. So what it says is not looked at: a hint with
the right secret wakes the pull, and the pull reads what there is.
"""

import hmac
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from manifests.errors import ConfigError
from review_ui.server import ONCE, LabelStudioServer, TokenRefused

SECRET_VARIABLE: Final = "EMOTROVE_WEBHOOK_SECRET"
SECRET_HEADER: Final = "X-Emotrove-Secret"

_ACTIONS: Final = ("ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATIONS_DELETED")
_LARGEST_BODY: Final = 1 << 16  # only the name of an action is sent
_TIMEOUT_S: Final = 5.0


def secret_from_environment() -> str:
    """The secret that a hint must carry.

    Raises
    ------
    ConfigError : there is none, or it is too easy to guess, or no header can carry it
    """
    secret = os.environ.get(SECRET_VARIABLE, "").strip()
    if not secret:
        raise ConfigError(f"--webhook needs a secret that Label Studio sends along: set {SECRET_VARIABLE}")
    if len(secret) < 16 or not secret.isascii() or not secret.isprintable():
        raise ConfigError(f"{SECRET_VARIABLE} must have at least 16 plain signs, such as openssl rand -hex 16 gives")
    return secret


class HintReceiver:
    """A small HTTP server on ``host:port``; ``hint`` is set when a request with the right secret comes.

    Raises
    ------
    ConfigError : the address cannot be listened on
    """

    def __init__(self, address: str, secret: str) -> None:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or host in ("0.0.0.0", "::", "[::]"):
            raise ConfigError(
                f"--webhook wants the HOST:PORT at which Label Studio reaches this machine, not '{address}'"
            )
        self.url = f"http://{address}/"
        self.hint = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            timeout = _TIMEOUT_S

            def log_message(self, *args: object) -> None:
                """Whoever knocks does not get to write on the terminal."""

            def do_POST(self) -> None:
                length = self.headers.get("Content-Length", "0")
                if not length.isdigit() or int(length) > _LARGEST_BODY:
                    self._answer(413)
                    return
                self.rfile.read(int(length))  # or closing the connection could take the answer with it
                given = self.headers.get(SECRET_HEADER, "")
                if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), secret.encode()):
                    self._answer(403)
                    return
                receiver.hint.set()
                self._answer(204)

            def _answer(self, status: int) -> None:
                self.send_response(status)
                self.send_header("Connection", "close")
                self.end_headers()

        try:
            self._server = ThreadingHTTPServer((host.strip("[]"), int(port)), Handler)
        except (OSError, OverflowError) as error:
            raise ConfigError(f"Could not listen on {address} for hints: {error}. Give another --webhook") from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, name="emotrove-webhook", daemon=True)

    def __enter__(self) -> "HintReceiver":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def registered(server: LabelStudioServer, project_id: int, url: str, secret: str) -> Iterator[None]:
    """Have a project send hints as long as this holds; a webhook that a killed command left is used again.

    It is taken back at the end, because an expert's screen waits for every webhook.

    Raises
    ------
    ConfigError : the server refuses to call that address
    ReviewServerError
    """
    webhooks = server.sdk.webhooks
    settings: dict[str, Any] = {
        "url": url,
        "project": project_id,
        "headers": {SECRET_HEADER: secret},
        "send_payload": False,
        "send_for_all_actions": False,
        "actions": list(_ACTIONS),
        "is_active": True,
    }
    try:
        with server.calling(f"register a webhook for project {project_id}"):
            for old in webhooks.list(project=str(project_id)):
                if old.url == url and old.id is not None:
                    webhooks.delete(old.id)
            made = webhooks.create(**settings, request_options=ONCE)
    except TokenRefused as error:
        if "reserved network address" not in str(error.__cause__):
            raise
        raise ConfigError(
            f"Label Studio at {server.url} sends nothing to {url}, because that is in a private network: start it with "
            "LABEL_STUDIO_SSRF_PROTECTION_ENABLED=false, or leave --webhook out; --watch alone is complete"
        ) from error
    try:
        yield
    finally:
        if made.id is not None:
            with server.calling(f"remove the webhook of project {project_id}"):
                webhooks.delete(made.id)
