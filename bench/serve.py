"""How many photographs a second does the site answer, beside a Gradio app and beside the limit?

    .venv/bin/python -m bench.serve --photos FOLDER --gradio PYTHON

An installation of its own in a scratch folder with the model that comes with the project, its web
server as `make run` starts it, against three others with the same network:

*Gradio*: `bench/gradio_app.py`, fastai's `learn.predict` on the torch network in a Gradio app, as
notebooks are shown; asked at its quickest door, one request with the photo in base64 (its own pages
need three). PYTHON needs gradio beside what is here:

    python3.11 -m venv gr
    echo $PWD/.venv/lib/python3.11/site-packages > gr/lib/python3.11/site-packages/beside.pth
    gr/bin/pip install gradio

*both at 224 pixels*, in place of the size that the model serves at;

*bare*: decode, scale and run the network in a loop in as many processes as there are cores, without
HTTP. What the site does less well than that is what serving costs.

All take turns, several rounds of them, because a machine is not equally fast from one minute to the
next. Clients send as fast as they are answered, over connections that stay open, from a process of
their own on the same cores. Milliseconds of processor time per request are those of the server's
processes, and of that process for the clients. The photographs of FOLDER need not be large: they
are enlarged to 3000 pixels, with the grain of a camera, and those of 1200 are made from these.
Every server is up all the time and idle but for its turn. Let nothing else run meanwhile.
"""
# ruff: noqa: E402 - settings read the folder, so it has to be known before Django is set up

import argparse
import base64
import io
import itertools
import json
import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import django

from bench.scratch import install, make_scratch

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=Path, required=True, help="folder, searched to the bottom")
    parser.add_argument("--gradio", type=Path, help="a Python that has gradio; none: ours alone")
    parser.add_argument("--seconds", type=float, default=6, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="measurements, all taking turns")
    parser.add_argument("--clients", default="1,8,32")
    parser.add_argument("--sides", default="1200,3000", help="of the photographs, in pixels")
    OPTIONS = parser.parse_args()
    SCRATCH = make_scratch("serve")

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shoeproject.settings")
django.setup()

from PIL import Image

from bench import servers
from bench.photographs import QUALITY, evenly, from_a_phone

PHOTOS = 8
WARM = 2  # seconds
LARGEST = 3000  # pixels
OTHER_SIZE = 224
ENOUGH = {1200: 10, 3000: 6}  # times Gradio's requests, with 8 clients
ENOUGH_OF_BARE = 0.7  # of 1200 pixels, with 8 clients


@dataclass
class Contender:
    """A server, and how it is asked."""

    name: str
    pid: int
    port: int
    path: str
    kind: str  # the content type
    ending: str  # of the files that hold bodies of this kind


@dataclass
class Result:
    """What one measurement came to. Seconds, MiB, milliseconds of processor time per request."""

    rate: float
    latencies: list[float]
    failed: int
    memory: float
    server: float
    clients: float


def main(options: argparse.Namespace, scratch: Path, sides, clients) -> int:
    """Measure and print; the exit status says whether all aims are met."""
    install()
    files = {side: bodies(options.photos, side, scratch) for side in sides}
    kilobytes = [statistics.median(p.stat().st_size for p in files[side]) / 1000 for side in sides]
    print(
        "; ".join(f"{side} pixels: {kb:,.0f} kB" for side, kb in zip(sides, kilobytes, strict=True))
    )
    missed = []
    with ExitStack() as stack:
        contenders = list(line_up(stack, options.gradio, scratch))
        for side, number in itertools.product(sides, clients):
            print(f"\n{side} × {side} pixels, {number} clients (load {servers.load()})")
            rounds = [
                (
                    {c.name: measure(c, files[side], number, options.seconds) for c in contenders},
                    bare(files[side], options.seconds),
                )
                for _ in range(options.rounds)
            ]
            found, least = zip(*rounds, strict=True)
            results = {c.name: together([each[c.name] for each in found]) for c in contenders}
            for name, result in results.items():
                print(line(name, result))
            least = {key: statistics.mean(each[key] for each in least) for key in least[0]}
            missed += judge(side, number, results, least)
    for words in missed:
        print(f"MISSED: {words}")
    return 1 if missed else 0


def bodies(folder: Path, side: int, scratch: Path) -> list[Path]:
    """Photographs of `side` pixels squared as JPEG, and beside each the same for Gradio."""
    made = []
    for number, path in zip(range(PHOTOS), evenly(folder), strict=False):
        data = scaled(from_a_phone(path, (LARGEST, LARGEST)), side)
        file = scratch / f"{side}-{number}.jpg"
        file.write_bytes(data)
        address = "data:image/jpeg;base64," + base64.b64encode(data).decode()
        photo = {"path": None, "url": address, "meta": {"_type": "gradio.FileData"}}
        file.with_suffix(".json").write_text(json.dumps({"data": [photo]}))
        made.append(file)
    return made


def scaled(data: bytes, side: int) -> bytes:
    """A square photograph with `side` pixels a side; itself where it has them."""
    with Image.open(io.BytesIO(data)) as image:
        if image.width == side:
            return data
        out = io.BytesIO()
        image.resize((side, side), Image.Resampling.LANCZOS).save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def line_up(stack: ExitStack, gradio: Path | None, scratch: Path) -> Iterator[Contender]:
    """Start the servers; those at OTHER_SIZE only beside Gradio."""
    path, port = "/api/v1/predictions/", servers.free_port()
    pid = stack.enter_context(servers.web_server_at(port))
    yield Contender("ours", pid, port, path, "image/jpeg", ".jpg")
    if gradio is None:
        return
    from bench import networks

    other = f"{path}?model={networks.register_at(OTHER_SIZE, scratch).digest[:12]}"
    yield Contender(f"ours at {OTHER_SIZE}", pid, port, other, "image/jpeg", ".jpg")
    for size in (None, OTHER_SIZE):
        learner = networks.export_learner(size, scratch)
        port = servers.free_port()
        command = [str(gradio), "bench/gradio_app.py", str(learner), str(port)]
        options = {
            "env": os.environ | {"GRADIO_ANALYTICS_ENABLED": "False", "PYTHONPATH": os.getcwd()},
            "stdout": subprocess.DEVNULL,
        }
        started = servers.started(command, f"http://127.0.0.1:{port}/", **options)
        name = f"Gradio at {size}" if size else "Gradio"
        door = "/gradio_api/run/predict"
        yield Contender(name, stack.enter_context(started), port, door, "application/json", ".json")


def measure(one: Contender, files: Sequence[Path], clients: int, seconds: float) -> Result:
    """Warm up, then ask for so many seconds."""
    asks = [{"path": one.path, "type": one.kind, "body": str(file.with_suffix(one.ending))}
            for file in files]  # fmt: skip
    job = {"host": "127.0.0.1", "port": one.port, "clients": clients, "keep_alive": True,
           "asks": asks, "pause": 0.1}  # fmt: skip
    servers.ask(job | {"seconds": WARM})
    before = servers.cpu(one.pid)
    found = servers.ask(job | {"seconds": seconds})
    used, number = servers.cpu(one.pid) - before, len(found["answers"])
    took = sorted(end - began for status, began, _, end in found["answers"] if status == 200)
    return Result(
        rate=len(took) / found["wall"],
        latencies=took,
        failed=number - len(took),
        memory=servers.resident(one.pid),
        server=1000 * used / max(1, len(took)),
        clients=1000 * found["cpu"] / max(1, len(took)),
    )


def together(results: Sequence[Result]) -> Result:
    """Several measurements of the same, equally long, as one."""
    return Result(
        rate=statistics.mean(each.rate for each in results),
        latencies=sorted(itertools.chain(*(each.latencies for each in results))),
        failed=sum(each.failed for each in results),
        memory=max(each.memory for each in results),
        server=statistics.mean(each.server for each in results),
        clients=statistics.mean(each.clients for each in results),
    )


def line(name: str, result: Result) -> str:
    """A result for people."""
    took = result.latencies or [0.0]
    return (
        f"  {name:14s} {result.rate:6.1f}/s  median {1000 * statistics.median(took):6.0f} ms, "
        f"95th {1000 * took[int(0.95 * (len(took) - 1))]:6.0f} ms  {result.memory:5.0f} MiB  "
        f"{result.server:6.1f} core-ms, clients {result.clients:.1f}"
        + (f"  {result.failed} not answered" if result.failed else "")
    )


def bare(files: Sequence[Path], seconds: float) -> dict:
    """The bare loops of all cores together; see `bench.bare`."""
    command = [sys.executable, "-m", "bench.bare", str(seconds), *map(str, files)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    loops = [subprocess.Popen(command, stderr=subprocess.DEVNULL, **pipes)
             for _ in os.sched_getaffinity(0)]  # fmt: skip
    for loop in loops:
        loop.stdout.readline()
    for loop in loops:
        loop.stdin.write("\n")
        loop.stdin.flush()
    found = [json.loads(loop.communicate()[0]) for loop in loops]
    return {
        "rate": sum(each["done"] / each["seconds"] for each in found),
        "decoding": statistics.mean(each["decoding"] for each in found),
        "network": statistics.mean(each["network"] for each in found),
    }


def judge(side: int, clients: int, results: dict[str, Result], least: dict) -> list[str]:
    """Print how they compare; the aims that were missed."""
    ours, missed = results["ours"], []
    rest = ours.server - least["decoding"] - least["network"]
    parts = {"decoding": least["decoding"], "network": least["network"],
             "Django and gunicorn": rest, "clients": ours.clients}  # fmt: skip
    total = sum(parts.values())
    shares = ", ".join(f"{what} {ms:.1f} ({ms / total:.0%})" for what, ms in parts.items())
    print(f"  bare           {least['rate']:6.1f}/s; of ours {ours.rate / least['rate']:.0%}")
    print(f"  a request of ours takes {total:.1f} core-ms: {shares}")
    for name, other in results.items():
        if name.startswith("Gradio"):
            own = results[name.replace("Gradio", "ours")]
            times = own.rate / other.rate if other.rate else float("inf")
            print(f"  {name.replace('Gradio', 'ours')} : {name} = {times:.1f} : 1")
            if name == "Gradio" and clients == 8 and times < ENOUGH.get(side, 0):
                missed.append(f"{times:.1f} times {name} at {side} pixels, not {ENOUGH[side]}")
    if clients == 8 and side == 1200 and ours.rate < ENOUGH_OF_BARE * least["rate"]:
        missed.append(f"{ours.rate / least['rate']:.0%} of bare, not {ENOUGH_OF_BARE:.0%}")
    return missed


if __name__ == "__main__":
    numbers = [[int(each) for each in text.split(",")]
               for text in (OPTIONS.sides, OPTIONS.clients)]  # fmt: skip
    try:
        sys.exit(main(OPTIONS, SCRATCH, *numbers))
    finally:
        shutil.rmtree(SCRATCH)
