"""One Label Studio server: its SDK client, and everything that can go wrong with it as an error that says what to do."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from manifests.errors import EmotroveError, MissingPackage
from manifests.review import Slot

if TYPE_CHECKING:
    import httpx
    from label_studio_sdk.core.request_options import RequestOptions

TOKEN_VARIABLE: Final = "EMOTROVE_LABEL_STUDIO_TOKEN"
"""Environment variable of the token; one with the slot behind it (``…_A``, ``…_ADJUDICATION``) wins for that slot."""

ONCE: Final["RequestOptions"] = {"max_retries": 0}
"""``request_options`` of calls that would be done twice if their answer were lost: creating and importing."""

_RETRIES = 4  # after 1, 2, 4 and 8 s, or after what the server asks for
_RETRIES_OF_CHECK = 1  # a server that is down should be said to be down at once
_TIMEOUT_S = 120.0  # an import of thousands of tasks into SQLite takes a while


class ReviewServerError(EmotroveError):
    """Label Studio could not do what was asked for."""


class ServerUnavailable(ReviewServerError):
    """Label Studio cannot be reached or is overloaded at present; the same command may work later."""


class TokenRefused(ReviewServerError):
    """The token is missing, wrong, expired, or may not do this."""


class NotOnServer(ReviewServerError):
    """A project, task or annotation is not there, or not any more."""


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """Who a token is, and on what."""

    user_id: int
    email: str
    version: str


class LabelStudioServer:
    """A Label Studio server as one of its users.

    The SDK repeats a request up to four times when the connection cannot be made or breaks and on 408, 409, 429 (waiting as
    ``Retry-After`` says) and 5xx. That holds for every request made through ``sdk``, so give ``request_options=ONCE`` to
    those that must not be done twice.

    Parameters
    ----------
    url : address of its front page; a path is allowed
    token : a personal access token, or a legacy one where the server allows it

    Raises
    ------
    MissingPackage : label-studio-sdk is not installed
    ReviewServerError : the URL cannot be one; the token cannot be one, or has expired
    """

    def __init__(self, url: str, token: str) -> None:
        try:
            from label_studio_sdk import LabelStudio
        except ImportError as error:
            raise MissingPackage("label_studio_sdk", "review", "talking to Label Studio") from error
        self.url = _checked_url(url)
        if not token.isascii() or not token.isprintable() or " " in token:
            # Such a token cannot be put into a header, and the error of the HTTP library would print it.
            raise TokenRefused(
                f"The token for {self.url} has spaces or signs that no token has: copy it again. {_HOW_TO_GET}"
            )
        with self.calling("log in"):
            # The slash at the end keeps the SDK's token refresh below a path.
            self.sdk: LabelStudio = LabelStudio(
                base_url=f"{self.url}/", api_key=token, timeout=_TIMEOUT_S, max_retries=_RETRIES
            )

    @classmethod
    def from_environment(cls, url: str, slot: Slot | None = None) -> "LabelStudioServer":
        """The server with the token that the environment has for this slot, else for all.

        Raises
        ------
        TokenRefused : there is none
        """
        return cls(url, token_from_environment(url, slot))

    def check(self) -> ServerIdentity:
        """Who we are and which Label Studio this is; the first thing to ask of a server.

        Raises
        ------
        ReviewServerError : nothing usable answers, or the token is refused
        """
        options: RequestOptions = {"max_retries": _RETRIES_OF_CHECK}
        with self.calling("sign in"):
            version = getattr(self.sdk.versions.get(request_options=options), "release", None)
            user = self.sdk.users.whoami(request_options=options)
            user_id, email = getattr(user, "id", None), getattr(user, "email", None)
        if not isinstance(version, str) or not isinstance(user_id, int) or not isinstance(email, str):
            raise ReviewServerError(f"{self.url} answers, but not as Label Studio does. Check the URL")
        return ServerIdentity(user_id, email.lower(), version)

    def get(self, path: str, **params: str | int) -> "httpx.Response":
        """The answer to a GET below the server's URL, whatever its status; for what the SDK has no method for."""
        with self.calling(f"fetch {path}"):
            return self.sdk._client_wrapper.httpx_client.request(path, method="GET", params=params)

    def get_json(self, path: str, **params: str | int) -> tuple[Any, "httpx.Headers"]:
        """The JSON and the headers of a GET below the server's URL; whatever is not 200 and JSON is an error.

        Raises
        ------
        ReviewServerError : as for ``calling``
        """
        answer = self.get(path, **params)
        could_not = f"Label Studio at {self.url}: could not fetch {path}"
        try:
            body = answer.json()
        except ValueError:
            body = answer.text or "<"
        if answer.status_code != 200 or isinstance(body, str):
            raise self._refused(could_not, answer.status_code, body)
        return body, answer.headers

    @contextmanager
    def calling(self, doing: str) -> Iterator[None]:
        """Turn what the SDK raises inside into a ``ReviewServerError`` that says what could not be done, where, and why.

        Parameters
        ----------
        doing : what is attempted, as it follows "could not"
        """
        import httpx
        from label_studio_sdk.core.api_error import ApiError

        could_not = f"Label Studio at {self.url}: could not {doing}"
        try:
            yield
        except ApiError as error:
            raise self._refused(could_not, error.status_code, error.body) from error
        except httpx.ConnectError as error:
            raise ServerUnavailable(
                f"{could_not}: nothing answers there ({error}). Start it, or check the URL, then run the command again"
            ) from error
        except httpx.TimeoutException as error:
            raise ServerUnavailable(
                f"{could_not}: no answer within {_TIMEOUT_S:.0f} s. When it is less busy, run the command again"
            ) from error
        except (httpx.TransportError, httpx.StreamError) as error:
            raise ServerUnavailable(
                f"{could_not}: the connection broke ({error or type(error).__name__}). "
                "See the server's log, then run the command again: it goes on where it stopped"
            ) from error
        except httpx.TooManyRedirects as error:
            raise ReviewServerError(f"{could_not}: it redirects in a circle. {_CHECK_BASE}") from error
        except json.JSONDecodeError as error:  # of the SDK's token refresh, which reads every answer as JSON
            raise ReviewServerError(f"{could_not}: the answer is not JSON. {_CHECK_BASE}") from error

    def _refused(self, could_not: str, status: int | None, body: Any) -> ReviewServerError:
        said = _said(body)
        if status in (401, 403):
            return TokenRefused(
                f"{could_not}: the token is wrong, expired, or may not do this ({status}{said}). {_HOW_TO_GET}"
            )
        if status == 429 or (status is not None and status >= 500):
            why = "too many requests" if status == 429 else "an error of its own"
            return ServerUnavailable(
                f"{could_not}: {why} ({status}{said}), also after waiting. "
                "See the server's log, then run the command again: it goes on where it stopped"
            )
        if isinstance(body, str) and body.lstrip()[:1] == "<":
            return ReviewServerError(f"{could_not}: it answers with a web page ({status}) and not JSON. {_CHECK_BASE}")
        if status == 404:
            return NotOnServer(
                f"{could_not}: it is not there ({status}{said}). It may have been deleted in Label Studio"
            )
        if status == 413:
            return ReviewServerError(f"{could_not}: the request is too large for a proxy before it; raise its limit")
        return ReviewServerError(f"{could_not}: {status}{said}")


def token_from_environment(url: str, slot: Slot | None = None) -> str:
    """The token that the environment has for this slot, else for all.

    Raises
    ------
    TokenRefused : there is none
    """
    names = ([f"{TOKEN_VARIABLE}_{slot.upper()}"] if slot else []) + [TOKEN_VARIABLE]
    for name in names:
        if token := os.environ.get(name, "").strip():
            return token
    raise TokenRefused(f"No token for {_checked_url(url)}: set {' or '.join(names)}. {_HOW_TO_GET}")


_HOW_TO_GET = f"Copy one from Label Studio under Account & Settings → Access Token and give it as {TOKEN_VARIABLE} in the environment"
_CHECK_BASE = "Is the URL that of Label Studio's front page, such as http://localhost:8080, and not a proxy's login?"


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ReviewServerError(f"The URL of Label Studio cannot be read: {error}") from error
    if parts.username is not None or parts.password is not None:
        # httpx would send them in the place of the token. They may be secret, so the URL is not repeated here.
        raise ReviewServerError(
            f"The URL of Label Studio holds a user or password before @{host}: leave them out; "
            f"the token in {TOKEN_VARIABLE} says who we are"
        )
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise ReviewServerError(
            f"'{url}' is not the URL of a Label Studio. Give its front page, such as http://localhost:8080"
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def _said(body: Any) -> str:
    """What a server says of an error, short, as it follows a status code."""
    if isinstance(body, dict):
        told = body.get("validation_errors") or body.get("detail") or body
        text = told if isinstance(told, str) else json.dumps(told, ensure_ascii=False, default=str)
    else:
        text = "" if body is None or str(body).lstrip().startswith("<") else str(body)
    text = " ".join(text.split())
    return f": {text[:300]}{'…' if len(text) > 300 else ''}" if text else ""
