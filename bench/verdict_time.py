"""How long does a visitor with a phone wait, from choosing a photo to the verdict?

    .venv/bin/python -m bench.verdict_time --photos FOLDER --rounds 20

Runs a scratch installation with the model that comes with the project, as `make run` does: behind
gunicorn. Every round opens the page anew in Chromium with a phone's screen and chooses another
photograph of FOLDER, enlarged to 4000 × 3000 pixels with the grain that a camera leaves. DevTools
limit the network: 1.6 Mbit/s up, 9 down, 150 ms for a round trip (added to every request, not to
the opening of a connection).

Time runs in the page, from the file input's `change` until the frame that holds the verdict is
presented. Three conditions, one after the other:

*DevTools, 4 times slower*: `Emulation.setCPUThrottlingRate`. It slows down the page's main thread
alone. `createImageBitmap` decodes a file in another thread, which stays as fast as it was; scaling
and encoding the copy, the scripts and the layout become slower.

*whole page slowed down*: instead, all threads of the process that shows the page are stopped for
three quarters of the time. Nearest to a phone with a slow processor. The browser's process for the
network and the one that composes frames stay as they are.

*DevTools, without reduction*: as the first, but the browser reports that it can't read the photo,
so the page sends the file as it is.

Run nothing else meanwhile: the server shares the processor with the browser.
"""
# ruff: noqa: E402 - settings read the folder, so it has to be known before Django is set up

import argparse
import contextlib
import itertools
import os
import signal
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import django

from bench import chromium
from bench.scratch_installation import install, make_scratch

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=Path, required=True, help="folder, searched to the bottom")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--whole-rounds", type=int, default=3, help="rounds without reduction")
    chromium.add_option(parser)
    OPTIONS = parser.parse_args()
    SCRATCH = make_scratch("verdict-time")

django.setup()

from django.db import connection

from bench import processes, servers
from bench.photographs import in_turns, phone_photo
from bench.timing import summary
from tests.browsing import PHONE

SIZE = (4000, 3000)
SLOWER = 4
# Bytes a second and milliseconds. Downwards it is DevTools' own “Fast 4G”.
NETWORK = {
    "offline": False, "latency": 150,
    "uploadThroughput": 1.6e6 / 8, "downloadThroughput": 9e6 / 8,
}  # fmt: skip
PERIOD = 0.02  # seconds; a process runs for one part in SLOWER of each

# The verdict is shown when its headline was painted; the browser reports that of elements that are
# marked with `elementtiming`.
NOTE_TIMES = """
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


def main(folder: Path, rounds: int, whole_rounds: int, browser_path: str) -> None:
    """Install, measure under three conditions, print."""
    install()
    connection.close()
    photos = _photos(folder, rounds)
    kilobytes = statistics.median(photo.stat().st_size for photo in photos) / 1000
    print(f"{len(photos)} photographs of {SIZE[0]} × {SIZE[1]} pixels, median {kilobytes:,.0f} kB; "
          f"load {processes.load_average()}")  # fmt: skip
    with servers.web_server() as (address, _), chromium.launched(browser_path) as browser:
        _round(browser, address, photos[-1])  # to warm up server and browser
        devtools = [_round(browser, address, photo, slower=SLOWER) for photo in photos]
        _print(f"DevTools, {SLOWER} times slower", devtools)
        stopped = [_round(browser, address, photo, stopping=True) for photo in photos]
        _print("whole page slowed down", stopped)
        whole = [
            _round(browser, address, photo, slower=SLOWER, script=UNREADABLE)
            for photo in photos[:whole_rounds]
        ]
        _print("DevTools, without reduction", whole)


def _photos(folder: Path, number: int) -> list[Path]:
    """Write photographs as a phone takes them to the scratch folder."""
    files = []
    for path in itertools.islice(in_turns(folder), number):
        files.append(SCRATCH / f"photo-{len(files)}.jpg")
        files[-1].write_bytes(phone_photo(path, SIZE))
    return files


def _round(browser, address: str, photo: Path, slower=1, stopping=False, script="") -> dict:
    """Choose a photo on a new page; returns NOTE_TIMES' milliseconds, and `bytes` sent."""
    context = browser.new_context(**PHONE)
    page = context.new_page()
    page.add_init_script(NOTE_TIMES + script)
    devtools = context.new_cdp_session(page)
    devtools.send("Network.enable")
    devtools.send("Network.emulateNetworkConditions", NETWORK)
    devtools.send("Emulation.setCPUThrottlingRate", {"rate": slower})
    page.goto(address, wait_until="networkidle")
    running = browser.new_browser_cdp_session().send("SystemInfo.getProcessInfo")["processInfo"]
    pages = [process["id"] for process in running if process["type"] == "renderer"]
    with _slowed_down(pages) if stopping else contextlib.nullcontext():
        page.set_input_files("#gallery", photo)
        times = page.evaluate("shown")
    context.close()
    return times


@contextlib.contextmanager
def _slowed_down(pids: Sequence[int]) -> Iterator[None]:
    """Stop these processes for all but one part in SLOWER of the time."""
    done = threading.Event()

    def stop_and_continue():
        while not done.is_set():
            send(signal.SIGSTOP)
            time.sleep(PERIOD * (1 - 1 / SLOWER))
            send(signal.SIGCONT)
            time.sleep(PERIOD / SLOWER)

    def send(number: int):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                os.kill(pid, number)

    thread = threading.Thread(target=stop_and_continue)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _print(condition: str, rounds: Sequence[dict]) -> None:
    """Print a line for the whole and one for its parts."""
    load = processes.load_average()
    print(f"{condition}, s: {summary(_seconds(rounds, 'chosen', 'shown'), 2)}; load {load}")
    parts = {
        "reducing": ("chosen", "sent"),
        "sending": ("sent", "left"),
        "waiting": ("left", "answered"),
        "showing": ("answered", "shown"),
    }
    medians = [f"{n} {statistics.median(_seconds(rounds, *ends)):.2f}" for n, ends in parts.items()]
    kilobytes = statistics.median(each["bytes"] for each in rounds) / 1000
    print(f"  medians: {', '.join(medians)}; {kilobytes:,.0f} kB sent")


def _seconds(rounds: Sequence[dict], begin: str, end: str) -> list[float]:
    return [(times[end] - times[begin]) / 1000 for times in rounds]


if __name__ == "__main__":
    main(OPTIONS.photos, OPTIONS.rounds, OPTIONS.whole_rounds, OPTIONS.chromium)
