"""Does an overloaded site refuse requests at once, and keep its memory bounded?

    .venv/bin/python -m bench.busy --photos FOLDER

Runs the project's web server in a scratch installation, as `make run` starts it. 32 clients send
photographs of 200 kB (from FOLDER, enlarged) and send the next one at once after every answer, and
also after every refusal, which is the hardest case. Each request has to be answered within 2
seconds, or refused with a 503 within 100 milliseconds after its last byte was handed to the kernel,
and some have to be answered. Then 100 clients, who wait as long as a refusal says, as any number of
clients but 32 does. The growth of memory is that of all the server's processes together: the most
while many clients send, less what it was after a few clients.
"""
# ruff: noqa: E402 - settings read the folder, so it has to be known before Django is set up

import argparse
import io
import itertools
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import django

from bench.scratch_installation import install, make_scratch

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=Path, required=True, help="folder, searched to the bottom")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", default="32,100")
    OPTIONS = parser.parse_args()
    SCRATCH = make_scratch("busy")

django.setup()

from PIL import Image

from bench import processes, servers
from bench.photographs import in_turns, jpeg, phone_photo
from bench.timing import summary
from classifier.inference.concurrency import RETRY_AFTER_SECONDS

PHOTOS, BYTES, SIDE = 8, 200_000, 1200
ANSWER_SECONDS, REFUSAL_SECONDS = 2.0, 0.1  # at most
GROWTH = 50  # MiB, at most
FEW, WITHOUT_PAUSE = 4, 32  # clients: for the memory to start from; those who never wait
SAMPLE_SECONDS = 0.2  # between two readings of the memory


def main(folder: Path, scratch: Path, seconds: float, numbers: Sequence[int]) -> int:
    """Measure and print; the exit status is 1 if a limit was exceeded."""
    install()
    files = [scratch / f"{number}.jpg" for number in range(PHOTOS)]
    for file, path in zip(files, in_turns(folder), strict=False):
        file.write_bytes(photo(path))
    port, passed = servers.free_port(), True
    job = {
        "host": "127.0.0.1", "port": port, "keep_alive": True, "seconds": seconds,
        "requests": [{"path": "/api/v1/predictions/", "type": "image/jpeg", "body": str(file)}
                     for file in files],
    }  # fmt: skip
    with servers.web_server(port) as (_, pid):
        # A connection each, so that every process is asked.
        servers.send_requests(job | {"clients": FEW, "keep_alive": False})
        before = processes.tree_memory(pid)
        print(f"{before:.0f} MiB after {FEW} clients (load {processes.load_average()})")
        for number in numbers:
            pause = 0 if number == WITHOUT_PAUSE else RETRY_AFTER_SECONDS
            with memory_of(pid) as memory:
                measured = servers.send_requests(job | {"clients": number, "pause": pause})
            passed &= report(number, pause, measured, max(memory) - before)
    return 0 if passed else 1


def photo(path: Path) -> bytes:
    """Return a photograph of SIDE × SIDE pixels as a JPEG file of BYTES bytes."""
    with Image.open(io.BytesIO(phone_photo(path, (SIDE, SIDE)))) as image:
        for quality in itertools.count(95, -1):
            if len(data := jpeg(image, quality)) <= BYTES:
                # Zeros after the end of the picture are not decoded.
                return data + bytes(BYTES - len(data))


@contextmanager
def memory_of(pid: int) -> Iterator[list[float]]:
    """Read the memory of a server's processes while the block runs; yields the list of MiB.

    Raises at the end of the block what reading raised.
    """
    readings, over = [], threading.Event()

    def sample() -> None:
        readings.append(processes.tree_memory(pid))
        while not over.wait(SAMPLE_SECONDS):
            readings.append(processes.tree_memory(pid))

    with ThreadPoolExecutor(1) as pool:
        sampling = pool.submit(sample)
        try:
            yield readings
        finally:
            over.set()
    sampling.result()


def report(clients: int, pause: float, measured: dict, growth: float) -> bool:
    """Print what became of the requests; returns whether all limits were kept.

    `pause`: seconds that a refused client waited; `growth`: of the memory, in MiB.
    """
    answers = measured["answers"]
    seconds = {
        200: [end - began for status, began, _, end in answers if status == 200],
        503: [end - sent for status, _, sent, end in answers if status == 503],
    }
    others = Counter(status for status, *_ in answers if status not in seconds)
    waits = f"wait {pause:g} s" if pause else "ask again at once"
    print(f"{clients} clients, who {waits} when refused: "
          f"{len(seconds[200]) / measured['wall']:.1f} answered a second, "
          f"{len(seconds[503])} of {len(answers)} requests refused")  # fmt: skip
    late = 0
    limits = (200, "answered", ANSWER_SECONDS), (503, "refused", REFUSAL_SECONDS)
    for status, label, limit in limits:
        exceeded = sum(each > limit for each in seconds[status])
        late += exceeded
        spent = summary([1000 * each for each in seconds[status]])
        print(f"  {label}, ms: {spent}; {exceeded} took more than {1000 * limit:.0f}")
    print(f"  any other status: {dict(others)}")
    print(f"  memory grew by {growth:.0f} MiB at most, limit {GROWTH}")
    return bool(seconds[200]) and not late and not others and growth <= GROWTH


if __name__ == "__main__":
    numbers = [int(each) for each in OPTIONS.clients.split(",")]
    sys.exit(main(OPTIONS.photos, SCRATCH, OPTIONS.seconds, numbers))
