"""How long does a visitor with a phone wait, from choosing a photo to the verdict?

    .venv/bin/python -m bench.verdict_time --photos FOLDER --rounds 20

An installation of its own in a scratch folder, with the model that comes with the project, behind
gunicorn as `make run` starts it. Every round opens the page anew in Chromium with a phone's screen
and chooses another photograph of FOLDER, enlarged to 4000 × 3000 pixels with the grain that a
camera leaves. DevTools narrow the line: 1.6 Mbit/s up, 9 down, 150 ms for a round trip (added to
every request, not to the opening of a connection).

Time runs in the page, from the file input's `change` until the frame that holds the verdict is
presented. Three ways, one after the other:

*DevTools, 4 times slower*: `Emulation.setCPUThrottlingRate`. It holds back the page's main thread
alone. `createImageBitmap` decodes a file in another thread, which stays as fast as it was; scaling
and encoding the copy, the scripts and the layout become slower.

*the whole page held back*: instead, all threads of the process that shows the page are stopped for
three quarters of the time. Nearest to a phone with a slow processor. The browser's process for the
network and the one that puts frames together stay as they are.

*DevTools, without reduction*: as the first, but the browser says that it can't read the photo, so
that the page sends the file as it is.

Let nothing else run meanwhile: the server has to share the processor with the browser.
"""
# ruff: noqa: E402 - settings read the folder, so it has to be known before Django is set up

import argparse
import contextlib
import itertools
import os
import shutil
import signal
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import django

from bench.scratch import install, make_scratch

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=Path, required=True, help="folder, searched to the bottom")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--whole-rounds", type=int, default=3, help="rounds without reduction")
    parser.add_argument("--chromium", default=os.environ.get("CHROMIUM", shutil.which("chromium")))
    OPTIONS = parser.parse_args()
    SCRATCH = make_scratch("verdict-time")

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shoeproject.settings")
django.setup()

import numpy as np
from django.db import connection
from playwright.sync_api import sync_playwright

from bench import servers
from bench.photographs import evenly, from_a_phone
from tests.browsing import ARGUMENTS, PHONE

SIZE = (4000, 3000)
SLOWER = 4
# Bytes a second and milliseconds. The line down is DevTools' own “Fast 4G”.
LINE = {
    "offline": False, "latency": 150,
    "uploadThroughput": 1.6e6 / 8, "downloadThroughput": 9e6 / 8,
}  # fmt: skip
PERIOD = 0.02  # seconds: stopped for all but one part in SLOWER of each

# The verdict is shown when its headline was painted, which the browser tells of elements so marked.
WATCH = """
const times = {};
addEventListener("change", () => { times.chosen = performance.now(); }, true);
const send = XMLHttpRequest.prototype.send;
XMLHttpRequest.prototype.send = function (data) {
  times.sent = performance.now();
  times.bytes = data.get("image").size;
  this.upload.addEventListener("load", () => { times.left = performance.now(); });
  this.addEventListener("readystatechange", () => { times.answered = performance.now(); });
  send.call(this, data);
};
new MutationObserver(() => {
  document.querySelector(".answer.done h2")?.setAttribute("elementtiming", "verdict");
}).observe(document, { subtree: true, childList: true });
window.shown = new Promise((resolve) => {
  new PerformanceObserver((list) => {
    resolve({ ...times, shown: list.getEntries()[0].renderTime });
  }).observe({ type: "element", buffered: true });
});
"""
UNREADABLE = "window.createImageBitmap = () => Promise.reject(new Error('not read'));"


def main(folder: Path, rounds: int, whole_rounds: int, chromium: str) -> None:
    """Install, measure three ways, print."""
    install()
    connection.close()
    photos = _photos(folder, rounds)
    kilobytes = statistics.median(photo.stat().st_size for photo in photos) / 1000
    print(f"{len(photos)} photographs of {SIZE[0]} × {SIZE[1]} pixels, median {kilobytes:,.0f} kB; "
          f"load {servers.load()}")  # fmt: skip
    with servers.web_server() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        _round(browser, address, photos[-1])  # server and browser have done it before
        devtools = [_round(browser, address, photo, slower=SLOWER) for photo in photos]
        _print(f"DevTools, {SLOWER} times slower", devtools)
        held = [_round(browser, address, photo, held=True) for photo in photos]
        _print("the whole page held back", held)
        whole = [
            _round(browser, address, photo, slower=SLOWER, script=UNREADABLE)
            for photo in photos[:whole_rounds]
        ]
        _print("DevTools, without reduction", whole)
        browser.close()


def _photos(folder: Path, number: int) -> list[Path]:
    """So many photographs of FOLDER as a phone takes them, in the scratch folder."""
    made = []
    for path in itertools.islice(evenly(folder), number):
        made.append(SCRATCH / f"photo-{len(made)}.jpg")
        made[-1].write_bytes(from_a_phone(path, SIZE))
    return made


def _round(browser, address: str, photo: Path, slower=1, held=False, script="") -> dict:
    """One visitor's one photo: what `WATCH` noted, in milliseconds (`bytes`: what was sent)."""
    context = browser.new_context(**PHONE)
    page = context.new_page()
    page.add_init_script(WATCH + script)
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.send("Network.emulateNetworkConditions", LINE)
    devtools.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    page.goto(address, wait_until="networkidle")
    processes = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    pages = [process["id"] for process in processes if process["type"] == "renderer"]
    with _held_back(pages) if held else contextlib.nullcontext():
        page.set_input_files("#gallery", photo)
        noted = page.evaluate("shown")
    context.close()
    return noted


@contextlib.contextmanager
def _held_back(pids: Sequence[int]) -> Iterator[None]:
    """Lets these processes run for one part in `SLOWER` of the time."""
    done = threading.Event()

    def hold():
        while not done.is_set():
            for number, share in ((signal.SIGSTOP, 1 - 1 / SLOWER), (signal.SIGCONT, 1 / SLOWER)):
                send(number)
                time.sleep(share * PERIOD)

    def send(number: int):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                os.kill(pid, number)

    holder = threading.Thread(target=hold)
    holder.start()
    try:
        yield
    finally:
        done.set()
        holder.join()
        send(signal.SIGCONT)


def _print(name: str, noted: Sequence[dict]) -> None:
    """A line for the whole and one for its parts."""
    total = _seconds(noted, "chosen", "shown")
    print(f"{name}: median {statistics.median(total):.2f} s, 95th percentile "
          f"{np.percentile(total, 95):.2f}, most {max(total):.2f} "
          f"({len(total)} rounds; load {servers.load()})")  # fmt: skip
    parts = {
        "reducing": ("chosen", "sent"),
        "sending": ("sent", "left"),
        "waiting": ("left", "answered"),
        "showing": ("answered", "shown"),
    }
    medians = [f"{n} {statistics.median(_seconds(noted, *ends)):.2f}" for n, ends in parts.items()]
    kilobytes = statistics.median(each["bytes"] for each in noted) / 1000
    print(f"  medians: {', '.join(medians)}; {kilobytes:,.0f} kB sent")


def _seconds(noted: Sequence[dict], begin: str, end: str) -> list[float]:
    return [(each[end] - each[begin]) / 1000 for each in noted]


if __name__ == "__main__":
    try:
        main(OPTIONS.photos, OPTIONS.rounds, OPTIONS.whole_rounds, OPTIONS.chromium)
    finally:
        shutil.rmtree(SCRATCH)
