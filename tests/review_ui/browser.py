"""A real Chromium, with one person at the keyboard, that keeps every byte which the server sends to it."""

import base64
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.sync_api import Page, Request, sync_playwright

from review_ui.settings import Project
from tests.packages import require_program
from tests.review_ui.label_studio import User

_FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
_SOUND = "() => { const a = document.querySelector('audio'); return a && [a.duration, a.currentTime, a.paused, a.volume, a.src] }"


@dataclass(frozen=True)
class Sound:
    """The audio element of the page."""

    duration_s: float | None
    at_s: float
    paused: bool
    volume: float
    src: str


@dataclass
class Received:
    """What the browser got, known once it is closed."""

    urls: list[str] = field(default_factory=list)
    bodies: dict[str, str] = field(default_factory=dict)  # by URL; of one asked for twice, both behind each other
    lost: list[str] = field(default_factory=list)  # answered, but torn off by the next page before they were read
    dialogs: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def where(self, text: str) -> list[str]:
        """URLs of the answers that hold this text, as it is or escaped as JSON does it."""
        forms = {text, json.dumps(text)[1:-1]}
        return [url for url, body in self.bodies.items() if any(form in body for form in forms)]

    def hosts(self) -> set[str]:
        return {urlsplit(url).netloc for url in self.urls if url.startswith("http")}


class Person:
    """Somebody who works in a browser."""

    def __init__(self, page: Page, screenshots: Path) -> None:
        self.page = page
        self._screenshots = screenshots
        self._open: set[Request] = set()
        page.on("request", lambda request: self._open.add(request))
        page.on("requestfinished", lambda request: self._open.discard(request))
        page.on("requestfailed", lambda request: self._open.discard(request))

    def log_in(self, url: str, user: User) -> None:
        self.page.goto(f"{url}/user/login/")
        self.page.fill("input[name=email]", user.email)
        self.page.fill("input[name=password]", user.password)
        self.page.click("button[type=submit]")
        self.page.wait_for_url(lambda now: "/user/login" not in now)
        self.settle()

    def settle(self) -> None:
        """Wait until the page has fetched all that it wants, so that nothing escapes the record."""
        quiet = 0
        for _ in range(300):
            quiet = 0 if self._open else quiet + 1
            if quiet == 5:
                return
            self.page.wait_for_timeout(100)
        raise AssertionError(f"the page is still waiting for {[request.url for request in self._open]}")

    def begin(self, project: Project) -> str:
        """Open the project and start labelling, as its page offers it; the text of the instruction, which is then closed."""
        self.page.goto(project.page)
        self.settle()
        self.page.get_by_role("button", name="Label All Tasks").click()
        instruction = self.page.locator(".lsf-modal-ls_visible")
        instruction.wait_for()
        told = instruction.inner_text()
        self.screenshot("instruction")
        self.page.keyboard.press("Escape")
        instruction.wait_for(state="hidden")
        self.hear()
        return told

    def sound(self) -> Sound | None:
        found = self.page.evaluate(_SOUND)
        return Sound(*found) if found else None

    def hear(self, after: Sound | None = None) -> Sound:
        """Wait until a clip is ready to be played; another than ``after``. The keys of Label Studio need it decoded."""
        self.page.wait_for_function(
            "old => { const a = document.querySelector('audio'); return a && a.readyState === 4 && a.src !== old }",
            arg=after.src if after else "",
        )
        self.page.wait_for_function(
            "() => { const times = document.querySelectorAll('.lsf-time-box__input-time');"
            " return times.length === 2 && /[1-9]/.test(times[1].value) }"
        )
        found = self.sound()
        assert found is not None
        return found

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)
            self.page.wait_for_timeout(60)

    def chosen(self) -> list[str]:
        """The words of all choices that are ticked."""
        ticked = self.page.locator(".lsf-choice:has(input:checked)")
        return [" ".join(text.split()) for text in ticked.all_inner_texts()]

    def stars(self) -> list[int]:
        """How many stars each rating shows."""
        return [rate.locator(".ant-rate-star-full").count() for rate in self.page.locator(".ant-rate").all()]

    def screenshot(self, name: str) -> Path:
        path = self._screenshots / f"{name}.png"
        self.page.screenshot(path=path)
        return path


@contextmanager
def person_at(screenshots: Path, width: int = 1440, height: int = 900) -> Iterator[tuple[Person, Received]]:
    """A browser of one's own; what was received is filled in when the block ends."""
    require_program("chromium", "apt-get install chromium")
    received = Received()
    har = screenshots / "traffic.har"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=_FLAGS)
        context = browser.new_context(
            viewport={"width": width, "height": height}, record_har_path=har, record_har_content="embed"
        )
        page = context.new_page()
        page.on("dialog", lambda dialog: (received.dialogs.append(dialog.message), dialog.dismiss()))
        page.on("pageerror", lambda error: received.errors.append(str(error)))
        try:
            yield (person := Person(page, screenshots)), received
            person.settle()
        finally:
            context.close()
            browser.close()
    for entry in json.loads(har.read_text("utf-8"))["log"]["entries"]:
        url, status, size = entry["request"]["url"], entry["response"]["status"], entry["response"]["content"]["size"]
        received.urls.append(url)
        if size < 0 and not 300 <= status < 400 and status != 204:
            received.lost.append(url)
        received.bodies[url] = received.bodies.get(url, "") + _text(entry["response"]["content"])


def _text(content: dict[str, Any]) -> str:
    text = content.get("text", "")
    if content.get("encoding") == "base64":
        return base64.b64decode(text).decode("utf-8", "replace")
    return str(text)
