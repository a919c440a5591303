"""Does a site that is asked for more than it can bear say so at once, and keep its memory?

    .venv/bin/python -m bench.busy --photos FOLDER

The project's web server in an installation of its own, as `make run` starts it, and 32 clients with
photographs of 200 kB (enlarged ones of FOLDER, saved so that they have that), who ask again at once
when they were answered, and also when they were refused: nobody is so rude, but nothing is harder.
Each request has to be answered within 2 seconds, or refused with a 503 within 100 milliseconds
after its last byte was handed to the kernel, and some have to be answered. Then 100 clients, many
more than find room, who wait as long as a refusal says, as any number but 32 does. Memory is that
of all the server's processes after a few clients were answered for a while, and the most of it
while many are.
"""
# ruff: noqa: E402 - settings read the folder, so it has to be known before Django is set up

import argparse
import io
import itertools
import os
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import django

from bench.scratch import install, make_scratch

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=Path, required=True, help="folder, searched to the bottom")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", default="32,100")
    OPTIONS = parser.parse_args()
    SCRATCH = make_scratch("busy")

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shoeproject.settings")
django.setup()

from PIL import Image

from bench import servers
from bench.photographs import evenly, from_a_phone
from classifier.inference.concurrency import RETRY_AFTER_SECONDS

PHOTOS, BYTES, SIDE = 8, 200_000, 1200
ANSWERED, REFUSED = 2.0, 0.1  # seconds
GROWTH = 50  # MiB
CALM, RUDE = 4, 32  # clients
LOOK = 0.2  # seconds between two looks at the memory


def main(folder: Path, scratch: Path, seconds: float, numbers: Sequence[int]) -> int:
    """Ask, look, print; the exit status says whether every request was treated well."""
    install()
    files = [scratch / f"{number}.jpg" for number in range(PHOTOS)]
    for file, path in zip(files, evenly(folder), strict=False):
        file.write_bytes(photo(path))
    port, fine = servers.free_port(), True
    job = {
        "host": "127.0.0.1", "port": port, "keep_alive": True, "seconds": seconds,
        "asks": [{"path": "/api/v1/predictions/", "type": "image/jpeg", "body": str(file)}
                 for file in files],
    }  # fmt: skip
    with servers.web_server_at(port) as pid:
        # A connection each, so that every process is asked.
        servers.ask(job | {"clients": CALM, "keep_alive": False})
        calm = servers.resident(pid)
        print(f"{calm:.0f} MiB after {CALM} clients (load {servers.load()})")
        for number in numbers:
            pause = 0 if number == RUDE else RETRY_AFTER_SECONDS
            with watching(pid) as memory:
                found = servers.ask(job | {"clients": number, "pause": pause})
            fine &= report(number, pause, found, max(memory) - calm)
    return 0 if fine else 1


def photo(path: Path) -> bytes:
    """A photograph of SIDE pixels squared with BYTES, give or take a little."""
    with Image.open(io.BytesIO(from_a_phone(path, (SIDE, SIDE)))) as image:
        for quality in itertools.count(95, -1):
            out = io.BytesIO()
            image.save(out, "JPEG", quality=quality)
            if out.tell() <= BYTES:
                # Zero bytes behind the end of the picture, which nobody decodes, make up the rest.
                return out.getvalue() + bytes(BYTES - out.tell())


@contextmanager
def watching(pid: int) -> Iterator[list[float]]:
    """Notes the memory of a server's processes while the block runs; a list of MiB.

    Raises at the end of the block what looking raised.
    """
    seen, over = [], threading.Event()

    def look() -> None:
        while True:
            seen.append(servers.resident(pid))
            if over.wait(LOOK):
                return

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        try:
            yield seen
        finally:
            over.set()
    looking.result()


def report(clients: int, pause: float, found: dict, growth: float) -> bool:
    """Print what became of the requests; whether all are as they should be, and any was answered.

    `pause`: seconds that a refused client waited; `growth`: of the memory, in MiB.
    """
    answers = found["answers"]
    took = {
        200: sorted(end - began for status, began, _, end in answers if status == 200),
        503: sorted(end - sent for status, _, sent, end in answers if status == 503),
    }
    others = Counter(status for status, *_ in answers if status not in took)
    late = sum(each > ANSWERED for each in took[200]), sum(each > REFUSED for each in took[503])
    waits = f"wait {pause:g} s" if pause else "ask again at once"
    print(f"{clients} clients, who {waits} when refused: "
          f"{len(took[200]) / found['wall']:.1f} answered a second, "
          f"{len(took[503])} of {len(answers)} requests refused")  # fmt: skip
    for status, words, limit in ((200, "answered", ANSWERED), (503, "refused", REFUSED)):
        if times := took[status]:
            print(f"  {words}: median {1000 * times[len(times) // 2]:.0f} ms, slowest "
                  f"{1000 * times[-1]:.0f} ms, limit {1000 * limit:.0f}")  # fmt: skip
    print(f"  too late: {late[0]} answers, {late[1]} refusals; anything else: {dict(others)}")
    print(f"  memory grew by {growth:.0f} MiB at most, limit {GROWTH}")
    return bool(took[200]) and not any(late) and not others and growth <= GROWTH


if __name__ == "__main__":
    try:
        sys.exit(main(OPTIONS.photos, SCRATCH, OPTIONS.seconds,
                      [int(each) for each in OPTIONS.clients.split(",")]))  # fmt: skip
    finally:
        shutil.rmtree(SCRATCH)
