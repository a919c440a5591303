"""A real browser for tests. Without one they are skipped, or, with REQUIRE_BROWSER=1, fail."""

import os
import shutil
import time
from collections import Counter

import pytest
from django.core.signals import request_finished, request_started
from PIL import Image

from tests.drawing import encoded

# Playwright's synchronous API runs an event loop in this thread, and Django would refuse to use
# the database beside one.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "1")

NAMES = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"]
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
# Colours of photographs that `tests.tiny_model` answers each with another verdict.
CHELSEA, BETWEEN_BOOTS, CYAN, BLACK = (255, 0, 0), (226, 0, 0), (0, 255, 255), (0, 0, 0)
PROBE = "/this-is-no-page"  # an address that only `Visit.route` asks for
PHONE = {
    "viewport": {"width": 360, "height": 740},
    "is_mobile": True,
    "has_touch": True,
    "device_scale_factor": 2,
}


@pytest.fixture(scope="session")
def browser():
    chromium = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        chromium, missing = None, "the playwright package"
    else:
        missing = "Chromium"
    if chromium is None:
        reason = f"{missing} is not installed, so the page is NOT tested in a browser"
        (pytest.fail if os.environ.get("REQUIRE_BROWSER") == "1" else pytest.skip)(reason)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield launched
        launched.close()


@pytest.fixture
def idle():
    """A function that waits until the server has answered all requests made so far."""
    running = Counter()

    def count(change, signal):
        def receiver(**_):
            running["requests"] += change

        signal.connect(receiver, weak=False)
        return signal, receiver

    receivers = [count(1, request_started), count(-1, request_finished)]

    def wait(seconds=10):
        until = time.monotonic() + seconds
        quiet = 0
        # Several looks in a row, because a request that has arrived may not have started yet.
        while quiet < 5 and time.monotonic() < until:
            quiet = 0 if running["requests"] > 0 else quiet + 1
            time.sleep(0.02)

    yield wait
    for signal, receiver in receivers:
        signal.disconnect(receiver)


class Visit:
    """A browser page, with its errors and its requests to other hosts (`strangers`)."""

    def __init__(self, browser, address, **options):
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.address, self.errors, self.strangers = address, [], []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", self._on_console)
        self.page.on("request", self._on_request)

    def _on_console(self, message):
        # The browser logs every response of 400 and above, also those that the page handles.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.errors.append(message.text)

    def _on_request(self, request):
        if not request.url.startswith((self.address, "blob:", "data:")):
            self.strangers.append(request.url)

    def open(self, path="/"):
        self.page.goto(self.address + path)
        return self

    def route(self, pattern, handler, **options):
        """Answer some requests here, or hold them back.

        Chromium lets requests pass that are made just when interception begins, so this waits until
        a request of its own is intercepted.
        """
        self.page.route(pattern, handler, **options)
        if self.page.url == "about:blank":
            return  # no page is loaded that could make a request
        self.page.route(f"**{PROBE}", lambda route: route.fulfill(body="stopped"))
        while self.page.evaluate(f"fetch('{PROBE}').then((it) => it.text())") != "stopped":
            pass
        self.page.unroute(f"**{PROBE}")

    def too_wide(self):
        # Not `innerWidth`: a phone zooms out until the whole page fits into it.
        width = self.page.viewport_size["width"]
        return self.page.evaluate("(width) => document.documentElement.scrollWidth > width", width)


def close(visits):
    """Close them; fail if a page had errors or made requests to another host."""
    for each in visits:
        each.context.close()
    assert [each.errors for each in visits if each.errors] == []
    assert [each.strangers for each in visits if each.strangers] == []


class Site(Visit):
    """A visitor's page of the recogniser."""

    def choose(self, *files):
        self.page.set_input_files("#gallery", list(files))

    def cards(self):
        from playwright.sync_api import expect

        expect(self.page.locator(".answer.waiting")).to_have_count(0)
        return self.page.locator(".answer").all()

    def headlines(self):
        return [card.locator("h2").inner_text() for card in self.cards()]


@pytest.fixture
def visit(browser, live_server):
    visits = []

    def start(**options):
        visits.append(Site(browser, live_server.url, **options))
        return visits[-1]

    yield start
    close(visits)


def picture(tmp_path, colour=CHELSEA, name="shoe.png", format="PNG", size=(120, 120)) -> str:
    path = tmp_path / name
    path.write_bytes(encoded(Image.new("RGB", size, colour), format))
    return str(path)
