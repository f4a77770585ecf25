"""A proxy before a real server that goes wrong where a test says so: at this request, in this way, so many times."""

import http.client
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "server", "date"}


@dataclass
class Fault:
    """What goes wrong.

    ``path`` is a regular expression that is searched for in the path of a request. ``status`` answers in the place of the
    server. Without it the connection breaks: before the server hears of the request, or, with ``after``, once it has
    done what was asked and before it says so.
    """

    method: str
    path: str
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    after: bool = False
    skip: int = 0  # so many requests pass first
    times: int = 1
    delay_s: float = 0.0  # before anything is done
    hold_s: float = 0.0  # after the server has answered
    hit: int = 0


class FaultyProxy:
    """Forwards to ``target``; without one, whatever no fault answers gets 404 and JSON."""

    def __init__(self, target: str | None = None) -> None:
        self.target = urlsplit(target).netloc if target else None
        self.faults: list[Fault] = []
        self.seen: list[tuple[str, str]] = []  # method and path of each request, in order
        self.seen_at: list[float] = []
        self._lock = threading.Lock()
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args: object) -> None:
                pass

            def handle_any(self) -> None:
                proxy._handle(self)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = do_HEAD = handle_any

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def add(self, fault: Fault) -> Fault:
        self.faults.append(fault)
        return fault

    def count(self, method: str, path: str) -> int:
        """How many requests of this kind have come."""
        return sum(seen == method and re.search(path, where) is not None for seen, where in self.seen)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _fault(self, method: str, path: str) -> Fault | None:
        with self._lock:
            self.seen.append((method, path))
            self.seen_at.append(time.monotonic())
            for fault in self.faults:
                if fault.method == method and re.search(fault.path, path):
                    if fault.skip:
                        fault.skip -= 1
                    elif fault.hit < fault.times:
                        fault.hit += 1
                        return fault
        return None

    def _handle(self, request: BaseHTTPRequestHandler) -> None:
        try:
            self._serve(request)
        except OSError:  # the server is down, or whoever asked was killed: to the other side the connection breaks
            request.close_connection = True
            request.connection.close()

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        fault = self._fault(request.command, request.path)
        if fault:
            time.sleep(fault.delay_s)
            if fault.status is not None:
                _answer(request, fault.status, {"Content-Type": "application/json", **fault.headers}, fault.body)
                return
        if fault is None or fault.after:
            answer = self._forward(request, body)
            if fault is None:
                _answer(request, *answer)
        if fault:
            time.sleep(fault.hold_s)
            request.close_connection = True
            request.connection.close()

    def _forward(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, dict[str, str], bytes]:
        if self.target is None:
            return 404, {"Content-Type": "application/json"}, b'{"detail": "Not found."}'
        connection = http.client.HTTPConnection(self.target, timeout=120)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP}
        connection.request(request.command, request.path, body or None, headers)
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        return answer.status, {n: v for n, v in answer.getheaders() if n.lower() not in _HOP}, data


def _answer(request: BaseHTTPRequestHandler, status: int, headers: dict[str, str], body: bytes) -> None:
    request.send_response(status)
    for name, value in headers.items():
        request.send_header(name, value)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    if request.command != "HEAD":
        request.wfile.write(body)


@contextmanager
def faulty_proxy(target: str | None = None) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
