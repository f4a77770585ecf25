"""What can go wrong with a server, over real sockets, and what it is called."""

import json
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timezone

import pytest

from manifests.errors import EmotroveError, MissingPackage
from review_ui.server import (
    ONCE,
    TOKEN_VARIABLE,
    LabelStudioServer,
    NotOnServer,
    ReviewServerError,
    ServerUnavailable,
    TokenRefused,
)
from tests.packages import require
from tests.review_ui.faulty_proxy import Fault, FaultyProxy, faulty_proxy

TOKEN = "fedcba9876543210fedcba9876543210fedcba98"
WEB_PAGE = b"<!DOCTYPE html><html><body>Welcome to nginx</body></html>"


@pytest.fixture(autouse=True)
def sdk() -> None:
    require("label_studio_sdk", "pip install 'emotrove[review]'")


@pytest.fixture
def proxy() -> Iterator[FaultyProxy]:
    with faulty_proxy() as running:
        yield running


def a_jwt(expires: datetime) -> str:
    import jwt

    return jwt.encode({"exp": expires, "token_type": "refresh"}, "k" * 32, algorithm="HS256")


def read_project(server: LabelStudioServer) -> None:
    with server.calling("read project 7"):
        server.sdk.projects.get(7)


def test_nothing_listens() -> None:
    begin = time.monotonic()
    with pytest.raises(ServerUnavailable, match=r"http://127\.0\.0\.1:1: could not sign in: nothing answers there"):
        LabelStudioServer("http://127.0.0.1:1", TOKEN).check()
    assert time.monotonic() - begin < 4


def test_a_connection_that_breaks_once_is_made_again(proxy: FaultyProxy) -> None:
    proxy.add(Fault("GET", "/api/projects/7"))
    with pytest.raises(NotOnServer, match=r"could not read project 7: it is not there \(404: Not found\.\)"):
        read_project(LabelStudioServer(proxy.url, TOKEN))
    assert proxy.count("GET", "/api/projects/7") == 2


def test_what_must_be_done_once_is_not_repeated(proxy: FaultyProxy) -> None:
    proxy.add(Fault("POST", "/api/projects/7/import"))
    server = LabelStudioServer(proxy.url, TOKEN)
    with (
        pytest.raises(ServerUnavailable, match="could not import tasks: the connection broke"),
        server.calling("import tasks"),
    ):
        server.sdk.projects.import_tasks(7, request=[], request_options=ONCE)
    assert proxy.count("POST", "import") == 1


@pytest.mark.parametrize(("status", "error"), [(401, TokenRefused), (403, TokenRefused), (400, ReviewServerError)])
def test_what_will_not_get_better_is_asked_once(proxy: FaultyProxy, status: int, error: type[Exception]) -> None:
    proxy.add(Fault("GET", "/api/projects/7", status=status, body=b'{"detail": "No."}', times=9))
    with pytest.raises(error, match=rf"{status}: No\.") as caught:
        read_project(LabelStudioServer(proxy.url, TOKEN))
    assert proxy.count("GET", "/api/projects/7") == 1
    assert TOKEN not in str(caught.value)


def test_too_many_requests_waits_as_told(proxy: FaultyProxy) -> None:
    proxy.add(Fault("GET", "/api/projects/7", status=429, headers={"Retry-After": "2"}))
    with pytest.raises(NotOnServer):
        read_project(LabelStudioServer(proxy.url, TOKEN))
    first, second = proxy.seen_at
    assert second - first >= 2


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_errors_of_the_server_that_stay(proxy: FaultyProxy, status: int) -> None:
    proxy.add(Fault("GET", "/api/version", status=status, body=WEB_PAGE, times=9, headers={"Retry-After": "1"}))
    with pytest.raises(ServerUnavailable, match=rf"\({status}\), also after waiting") as caught:
        LabelStudioServer(proxy.url, TOKEN).check()
    assert proxy.count("GET", "/api/version") == 2
    assert "<" not in str(caught.value)


def test_a_web_page_in_the_place_of_json(proxy: FaultyProxy) -> None:
    proxy.add(Fault("GET", "/api/version", status=200, body=WEB_PAGE, headers={"Content-Type": "text/html"}))
    with pytest.raises(ReviewServerError, match=r"web page \(200\) and not JSON\. Is the URL that of Label Studio's"):
        LabelStudioServer(proxy.url, TOKEN).check()


def test_another_service_that_speaks_json(proxy: FaultyProxy) -> None:
    proxy.add(Fault("GET", "/", status=200, body=b'{"status": "ok"}', times=9))
    with pytest.raises(ReviewServerError, match="answers, but not as Label Studio does"):
        LabelStudioServer(proxy.url, TOKEN).check()


def test_an_expired_personal_token_is_refused_before_any_request(proxy: FaultyProxy) -> None:
    token = a_jwt(datetime(2020, 1, 1, tzinfo=timezone.utc))
    with pytest.raises(TokenRefused, match="expired") as caught:
        LabelStudioServer(proxy.url, token)
    assert token not in str(caught.value)
    assert not proxy.seen


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault("POST", "/api/token/refresh", status=401, body=b'{"detail": "Token is invalid"}'), TokenRefused),
        (Fault("POST", "/api/token/refresh", status=200, body=WEB_PAGE), ReviewServerError),
        (Fault("POST", "/api/token/refresh", status=503, body=b"{}"), ServerUnavailable),
    ],
)
def test_a_personal_token_that_cannot_be_refreshed(proxy: FaultyProxy, fault: Fault, error: type[Exception]) -> None:
    proxy.add(fault)
    token = a_jwt(datetime(2090, 1, 1, tzinfo=timezone.utc))
    with pytest.raises(error) as caught:
        LabelStudioServer(proxy.url, token).check()
    assert type(caught.value) is error
    assert token not in str(caught.value)


def test_a_path_before_the_api_is_kept_for_the_refresh_too(proxy: FaultyProxy) -> None:
    access = a_jwt(datetime(2090, 1, 1, tzinfo=timezone.utc))
    proxy.add(Fault("POST", "/ls/api/token/refresh", status=200, body=json.dumps({"access": access}).encode()))
    proxy.add(Fault("GET", "/ls/api/version", status=200, body=b'{"release": "1.0"}'))
    me = b'{"id": 3, "email": "Lead@Example.com"}'
    proxy.add(Fault("GET", "/ls/api/current-user/whoami", status=200, body=me))
    found = LabelStudioServer(f"{proxy.url}/ls/", access).check()
    assert (found.user_id, found.email, found.version) == (3, "lead@example.com", "1.0")


@pytest.mark.parametrize(
    "url", ["localhost:8080", "ftp://localhost", "http://", "http://h:port", "http://h/?a=1", "http://[::1", "", "/x"]
)
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(ReviewServerError, match="URL of"):
        LabelStudioServer(url, TOKEN)


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(ReviewServerError, match="leave them out") as caught:
        LabelStudioServer("https://lead:hunter2@ls.example.com", TOKEN)
    assert "hunter2" not in str(caught.value)


def test_a_token_that_no_header_can_carry_is_not_repeated() -> None:
    with pytest.raises(TokenRefused, match="copy it again") as caught:
        LabelStudioServer("http://127.0.0.1:1", "secret\ntoken")
    assert "secret" not in str(caught.value)


def test_the_token_of_a_slot_wins(monkeypatch: pytest.MonkeyPatch, proxy: FaultyProxy) -> None:
    for name in ("", "_A", "_B", "_ADJUDICATION"):
        monkeypatch.delenv(TOKEN_VARIABLE + name, raising=False)
    with pytest.raises(TokenRefused, match=rf"set {TOKEN_VARIABLE}_A or {TOKEN_VARIABLE}\. Copy one from Label Studio"):
        LabelStudioServer.from_environment(proxy.url, "A")
    monkeypatch.setenv(TOKEN_VARIABLE, "for-all")
    monkeypatch.setenv(f"{TOKEN_VARIABLE}_ADJUDICATION", " third\n")

    def sent(server: LabelStudioServer) -> str:
        return server.sdk._client_wrapper.get_headers()["Authorization"]

    assert sent(LabelStudioServer.from_environment(proxy.url)) == "Token for-all"
    assert sent(LabelStudioServer.from_environment(proxy.url, "B")) == "Token for-all"
    assert sent(LabelStudioServer.from_environment(proxy.url, "adjudication")) == "Token third"


def test_without_the_sdk_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "label_studio_sdk", None)
    with pytest.raises(MissingPackage, match=r"pip install 'emotrove\[review\]'"):
        LabelStudioServer("http://127.0.0.1:1", TOKEN)


def test_errors_of_ours_pass_unchanged(proxy: FaultyProxy) -> None:
    server = LabelStudioServer(proxy.url, TOKEN)
    ours = EmotroveError("mine")
    with pytest.raises(EmotroveError) as caught, server.calling("do a thing"):
        raise ours
    assert caught.value is ours
