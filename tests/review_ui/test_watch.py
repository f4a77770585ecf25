"""Watching: a pull again and again, and the hints that wake it."""

import http.client
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from manifests.errors import ConfigError, EmotroveError, RunLocked
from review_ui.pull import PullIncomplete
from review_ui.server import LabelStudioServer, ServerUnavailable, TokenRefused
from review_ui.watch import watch
from review_ui.webhook import SECRET_HEADER, SECRET_VARIABLE, HintReceiver, secret_from_environment
from tests.pipeline.command import EMOTROVE, cli
from tests.review_ui.exchange import Exchange
from tests.review_ui.faulty_proxy import Fault

SECRET = "0123456789abcdef-secret"


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def knock(receiver: HintReceiver, secret: str | None, method: str = "POST", announced: int = 2) -> int:
    connection = http.client.HTTPConnection(receiver.url.split("/")[2], timeout=10)
    headers = (
        {"Content-Length": str(announced)}
        if secret is None
        else {"Content-Length": str(announced), SECRET_HEADER: secret}
    )
    connection.request(method, "/", b"{}", headers)
    status = connection.getresponse().status
    connection.close()
    return status


# -- the loop ----------------------------------------------------------------------------------------------------------


class Stop(Exception):
    """Ends a test's loop."""


def test_it_pulls_until_interrupted() -> None:
    pulls: list[float] = []

    def pull() -> None:
        pulls.append(time.monotonic())
        if len(pulls) == 3:
            raise KeyboardInterrupt

    watch(pull, 0.05)
    assert len(pulls) == 3 and pulls[2] - pulls[0] >= 0.1


def test_a_hint_wakes_it() -> None:
    hint = threading.Event()
    pulls = 0

    def pull() -> None:
        nonlocal pulls
        pulls += 1
        if pulls == 3:
            raise KeyboardInterrupt
        hint.set()  # comes while it pulls, and must not be forgotten

    begin = time.monotonic()
    watch(pull, 60, hint=hint)
    assert time.monotonic() - begin < 5


def test_what_is_over_by_itself_is_told_once_and_what_is_not_ends_it() -> None:
    errors: list[EmotroveError] = [
        ServerUnavailable("down"), ServerUnavailable("still down"), RunLocked("held"), PullIncomplete("busy"),
        TokenRefused("revoked"),
    ]  # fmt: skip
    told: list[str] = []
    left = iter(errors)

    def pull() -> None:
        raise next(left)

    with pytest.raises(TokenRefused):
        watch(pull, 0.01, excuse=lambda error: told.append(str(error)))
    assert told == ["down", "held", "busy"]


# -- hints -------------------------------------------------------------------------------------------------------------


def test_only_the_secret_wakes() -> None:
    with HintReceiver(free_address(), SECRET) as receiver:
        assert [knock(receiver, secret) for secret in (None, "", "wrong", SECRET[:-1], "ä" * 9)] == [403] * 5
        assert not receiver.hint.is_set()
        assert knock(receiver, SECRET, method="GET") == 501
        assert knock(receiver, SECRET, announced=70_000) == 413
        assert not receiver.hint.is_set()
        assert knock(receiver, SECRET) == 204
        assert receiver.hint.is_set()


def test_somebody_who_says_nothing_keeps_nobody_waiting() -> None:
    with HintReceiver(free_address(), SECRET) as receiver:
        host, port = receiver.url.split("/")[2].split(":")
        with socket.create_connection((host, int(port))) as silent:
            silent.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n")
            assert knock(receiver, SECRET) == 204


@pytest.mark.parametrize("address", ["9000", "host:", ":9000", "0.0.0.0:9000", "host:port", "127.0.0.1:99999"])
def test_an_address_that_cannot_be(address: str) -> None:
    with pytest.raises(ConfigError, match="--webhook"):
        HintReceiver(address, SECRET)


def test_an_address_that_is_taken() -> None:
    address = free_address()
    with HintReceiver(address, SECRET), pytest.raises(ConfigError, match="Could not listen"):
        HintReceiver(address, SECRET)


@pytest.mark.parametrize("secret", ["", "short", "with\nline breaks and more", "ümläute-ümläute-"])
def test_a_secret_that_is_none(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, secret)
    with pytest.raises(ConfigError, match=SECRET_VARIABLE) as caught:
        secret_from_environment()
    assert not secret or secret not in str(caught.value)


# -- on a real Label Studio --------------------------------------------------------------------------------------------


@pytest.fixture
def pushed(exchange_of: Callable[[list[dict[str, Any]]], Exchange], clips_in_review: list[dict[str, Any]]) -> Exchange:
    exchange = exchange_of(clips_in_review[:6])
    exchange.did("push")
    return exchange


def wait_until(condition: Callable[[], bool], within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)


def webhooks(exchange: Exchange) -> list[str]:
    sdk = exchange.server.sdk.webhooks
    return [one.url for slot in ("A", "B", "adjudication") for one in sdk.list(project=str(exchange.project_id(slot)))]


def test_a_watch_brings_answers_and_outlives_the_server(pushed: Exchange) -> None:
    command = [*EMOTROVE, "review", "pull", pushed.run, "--watch", "1"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        pushed.answer_all("A", "angry", pushed.studio.expert_a, first=2)
        wait_until(lambda: pushed.review.ledger().num_rows == 2)
        pushed.studio.stop()
        time.sleep(3)
        pushed.studio.start()
        pushed.answer_all("B", "sad", pushed.studio.expert_b, first=2)
        wait_until(lambda: pushed.review.ledger().num_rows == 4)
        pushed.did("push")  # another command gets its turn
    finally:
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "slot A: 2 new, 0 edited, 0 deleted, 2 of 6 done" in out
    assert "slot B: 2 new" in out
    assert err.count("Label Studio at") <= 1 and "Traceback" not in err  # unless it was back before that could be told
    pushed.assert_ledger_complete()


def test_a_hint_of_label_studio_brings_an_answer_at_once(pushed: Exchange) -> None:
    address = free_address()
    command = [*EMOTROVE, "review", "pull", pushed.run, "--watch", "600", "--webhook", address]
    env = {**os.environ, SECRET_VARIABLE: SECRET}
    url = f"http://{address}/"
    killed = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL)
    wait_until(lambda: webhooks(pushed) == [url] * 3)
    killed.kill()
    killed.wait()
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert "0 of 6 done" in process.stdout.readline()
        wait_until(lambda: webhooks(pushed) == [url] * 3)
        pushed.answer_all("A", "angry", pushed.studio.expert_a, first=1)
        wait_until(lambda: pushed.review.ledger().num_rows == 1, within_s=20)
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert webhooks(pushed) == []


def test_a_server_that_calls_no_private_address(pushed: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_VARIABLE, SECRET)
    # what Label Studio answers without LABEL_STUDIO_SSRF_PROTECTION_ENABLED=false
    body = b'{"detail": "URL resolves to a reserved network address (block: 127.0.0.0/8)"}'
    pushed.proxy.add(Fault("POST", "/api/webhooks", status=403, body=body))
    said = pushed.failed("pull", "--watch", 5, "--webhook", free_address())
    assert "LABEL_STUDIO_SSRF_PROTECTION_ENABLED=false" in said and "token" not in said
    assert webhooks(pushed) == []


def test_a_webhook_needs_watching_and_a_secret(pushed: Exchange, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECRET_VARIABLE, raising=False)
    result = cli("review", "pull", pushed.run, "--webhook", free_address())
    assert result.exit_code == 2 and "--watch" in result.stderr
    assert SECRET_VARIABLE in pushed.failed("pull", "--watch", 5, "--webhook", free_address())
    assert LabelStudioServer(pushed.studio.url, pushed.studio.admin.token).check().email == pushed.studio.admin.email
