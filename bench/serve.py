"""How many photographs a second does the site answer, beside a Gradio app and beside the limit?

    .venv/bin/python -m bench.serve --photos FOLDER --gradio PYTHON

An installation of its own in a scratch folder with the model that comes with the project, its web
server as `make run` starts it, against three others with the same network:

*Gradio*: `bench/gradio_app.py`, fastai's `learn.predict` on the torch network in a Gradio app, as
models from notebooks are usually deployed; asked in its fastest way, one request with the photo in
base64 (its own pages need three). PYTHON needs gradio beside what is here:

    python3.11 -m venv gr
    echo $PWD/.venv/lib/python3.11/site-packages > gr/lib/python3.11/site-packages/beside.pth
    gr/bin/pip install gradio

*both at 224 pixels*, in place of the size that the model serves at;

*inference loop*: decode, scale and run the network in as many processes as there are cores, without
HTTP. The difference to the site is what serving costs.

All take turns, several rounds of them, because a machine is not equally fast from one minute to the
next. Clients send as fast as they are answered, over connections that stay open, from a process of
their own on the same cores. Processor time per request is that of the server's processes, and of
that process for the clients. The photographs of FOLDER need not be large: they are enlarged to 3000
pixels, with the grain of a camera, and those of 1200 are made from these. Every server runs all the
time and is idle but for its turn. Run nothing else meanwhile.
"""
# ruff: noqa: E402 - settings read the folder, so it has to be known before Django is set up

import argparse
import base64
import io
import itertools
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import django

from bench.scratch_installation import install, make_scratch

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--photos", type=Path, required=True, help="folder, searched to the bottom")
    parser.add_argument(
        "--gradio", type=Path, help="a Python that has gradio; without it only ours runs"
    )
    parser.add_argument("--seconds", type=float, default=6, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="measurements, all taking turns")
    parser.add_argument("--clients", default="1,8,32")
    parser.add_argument("--sides", default="1200,3000", help="of the photographs, in pixels")
    OPTIONS = parser.parse_args()
    SCRATCH = make_scratch("serve")

django.setup()

from PIL import Image

from bench import processes, servers
from bench.photographs import QUALITY, in_turns, jpeg, phone_photo
from bench.timing import summary

PHOTOS = 8
WARM_UP_SECONDS = 2
LARGEST = 3000  # pixels
OTHER_SIZE = 224
# What is aimed at, with 8 clients: times Gradio's requests, and share of the inference loop's.
TIMES_GRADIO = {1200: 10, 3000: 6}
SHARE_OF_LOOP = 0.7  # with 1200 pixels


@dataclass
class Server:
    """A server, and the requests that it takes."""

    name: str
    pid: int
    port: int
    path: str
    kind: str  # the content type
    suffix: str  # of the files that hold bodies of this kind


@dataclass
class Result:
    """One measurement of a server."""

    rate: float  # answers a second
    latencies: list[float]  # seconds
    failed: int
    memory: float  # MiB
    server: float  # milliseconds of processor time per request
    clients: float  # likewise


def main(options: argparse.Namespace, scratch: Path, sides, clients) -> int:
    """Measure and print; the exit status is 1 if an aim is missed."""
    install()
    files = {side: bodies(options.photos, side, scratch) for side in sides}
    for side, photos in files.items():
        kilobytes = statistics.median(path.stat().st_size for path in photos) / 1000
        print(f"{side} pixels: {kilobytes:,.0f} kB")
    missed = []
    with ExitStack() as stack:
        compared = list(start_servers(stack, options.gradio, scratch))
        for side, number in itertools.product(sides, clients):
            print(f"\n{side} × {side} pixels, {number} clients (load {processes.load_average()})")
            measured, loops = {server.name: [] for server in compared}, []
            for _ in range(options.rounds):
                for server in compared:
                    measured[server.name].append(
                        measure(server, files[side], number, options.seconds)
                    )
                loops.append(inference_loop(files[side], options.seconds))
            results = {name: together(rounds) for name, rounds in measured.items()}
            for name, result in results.items():
                print_result(name, result)
            loop = {key: statistics.mean(each[key] for each in loops) for key in loops[0]}
            missed += compare(side, number, results, loop)
    for aim in missed:
        print(f"MISSED: {aim}")
    return 1 if missed else 0


def bodies(folder: Path, side: int, scratch: Path) -> list[Path]:
    """Write photographs of side × side pixels as JPEG, and beside each the request for Gradio."""
    files = []
    for number, path in zip(range(PHOTOS), in_turns(folder), strict=False):
        data = scaled(phone_photo(path, (LARGEST, LARGEST)), side)
        file = scratch / f"{side}-{number}.jpg"
        file.write_bytes(data)
        address = "data:image/jpeg;base64," + base64.b64encode(data).decode()
        photo = {"path": None, "url": address, "meta": {"_type": "gradio.FileData"}}
        file.with_suffix(".json").write_text(json.dumps({"data": [photo]}))
        files.append(file)
    return files


def scaled(data: bytes, side: int) -> bytes:
    """Scale a square JPEG to `side` pixels, unless it has them already."""
    with Image.open(io.BytesIO(data)) as image:
        if image.width == side:
            return data
        return jpeg(image.resize((side, side), Image.Resampling.LANCZOS), QUALITY)


def start_servers(stack: ExitStack, gradio: Path | None, scratch: Path) -> Iterator[Server]:
    """Start the servers; those at OTHER_SIZE only beside Gradio."""
    path, port = "/api/v1/predictions/", servers.free_port()
    _, pid = stack.enter_context(servers.web_server(port))
    yield Server("ours", pid, port, path, "image/jpeg", ".jpg")
    if gradio is None:
        return
    from bench import starter_networks  # loads torch

    version = starter_networks.register_at(OTHER_SIZE, scratch)
    other = f"{path}?model={version.digest[:12]}"
    yield Server(f"ours at {OTHER_SIZE}", pid, port, other, "image/jpeg", ".jpg")
    environment = {"GRADIO_ANALYTICS_ENABLED": "False", "PYTHONPATH": os.getcwd()}
    for size in (None, OTHER_SIZE):
        learner = starter_networks.export_learner(size, scratch)
        port = servers.free_port()
        started = servers.server(
            [str(gradio), "bench/gradio_app.py", str(learner), str(port)],
            f"http://127.0.0.1:{port}/",
            env=os.environ | environment,
            stdout=subprocess.DEVNULL,
        )
        pid = stack.enter_context(started)
        name, path = f"Gradio at {size}" if size else "Gradio", "/gradio_api/run/predict"
        yield Server(name, pid, port, path, "application/json", ".json")


def measure(server: Server, files: Sequence[Path], clients: int, seconds: float) -> Result:
    """Warm a server up, then send requests for so many seconds."""
    requests = [{"path": server.path, "type": server.kind,
                 "body": str(file.with_suffix(server.suffix))} for file in files]  # fmt: skip
    job = {"host": "127.0.0.1", "port": server.port, "clients": clients, "keep_alive": True,
           "requests": requests, "pause": 0.1}  # fmt: skip
    servers.send_requests(job | {"seconds": WARM_UP_SECONDS})
    before = processes.tree_cpu_seconds(server.pid)
    measured = servers.send_requests(job | {"seconds": seconds})
    used = processes.tree_cpu_seconds(server.pid) - before
    latencies = [end - began for status, began, _, end in measured["answers"] if status == 200]
    return Result(
        rate=len(latencies) / measured["wall"],
        latencies=latencies,
        failed=len(measured["answers"]) - len(latencies),
        memory=processes.tree_memory(server.pid),
        server=1000 * used / max(1, len(latencies)),
        clients=1000 * measured["cpu"] / max(1, len(latencies)),
    )


def together(results: Sequence[Result]) -> Result:
    """Join several equally long measurements of one server."""
    return Result(
        rate=statistics.mean(each.rate for each in results),
        latencies=list(itertools.chain(*(each.latencies for each in results))),
        failed=sum(each.failed for each in results),
        memory=max(each.memory for each in results),
        server=statistics.mean(each.server for each in results),
        clients=statistics.mean(each.clients for each in results),
    )


def print_result(name: str, result: Result) -> None:
    """Print two lines for a server."""
    failed = f", {result.failed} not answered" if result.failed else ""
    print(f"  {name:14s} {result.rate:6.1f}/s, {result.memory:.0f} MiB, "
          f"{result.server:.1f} core-ms, clients {result.clients:.1f}{failed}")  # fmt: skip
    print(f"    ms: {summary([1000 * each for each in result.latencies])}")


def inference_loop(files: Sequence[Path], seconds: float) -> dict:
    """Run the loops of all cores together; see `bench.inference_loop`."""
    command = [sys.executable, "-m", "bench.inference_loop", str(seconds), *map(str, files)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    loops = [subprocess.Popen(command, stderr=subprocess.DEVNULL, **pipes)
             for _ in os.sched_getaffinity(0)]  # fmt: skip
    for loop in loops:
        loop.stdout.readline()
    for loop in loops:
        loop.stdin.write("\n")
        loop.stdin.flush()
    measured = [json.loads(loop.communicate()[0]) for loop in loops]
    return {
        "rate": sum(each["done"] / each["seconds"] for each in measured),
        "decoding": statistics.mean(each["decoding"] for each in measured),
        "network": statistics.mean(each["network"] for each in measured),
    }


def compare(side: int, clients: int, results: dict[str, Result], loop: dict) -> list[str]:
    """Print how the servers compare; returns the aims that were missed."""
    ours, missed = results["ours"], []
    rest = ours.server - loop["decoding"] - loop["network"]
    parts = {"decoding": loop["decoding"], "network": loop["network"],
             "Django and gunicorn": rest, "clients": ours.clients}  # fmt: skip
    total, share = sum(parts.values()), ours.rate / loop["rate"]
    shares = ", ".join(f"{part} {ms:.1f} ({ms / total:.0%})" for part, ms in parts.items())
    print(f"  inference loop {loop['rate']:6.1f}/s; ours is {share:.0%} of it")
    print(f"  a request of ours takes {total:.1f} core-ms: {shares}")
    for name, other in results.items():
        if name.startswith("Gradio"):
            own = name.replace("Gradio", "ours")
            times = results[own].rate / other.rate if other.rate else float("inf")
            print(f"  {own} : {name} = {times:.1f} : 1")
            if name == "Gradio" and clients == 8 and times < TIMES_GRADIO.get(side, 0):
                missed.append(
                    f"{times:.1f} times {name} at {side} pixels, not {TIMES_GRADIO[side]}"
                )
    if clients == 8 and side == 1200 and share < SHARE_OF_LOOP:
        missed.append(f"{share:.0%} of the inference loop, not {SHARE_OF_LOOP:.0%}")
    return missed


if __name__ == "__main__":
    numbers = [[int(each) for each in text.split(",")]
               for text in (OPTIONS.sides, OPTIONS.clients)]  # fmt: skip
    sys.exit(main(OPTIONS, SCRATCH, *numbers))
