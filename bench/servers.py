"""Servers of benchmarks: the project's own as `make run` starts it, and any other command."""

import contextlib
import os
import shlex
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from django.conf import settings

from bench.memory import memory
from bench.web import cpu_seconds
from shoeproject.up import programs

PATIENCE, LEAVE = 180, 60  # seconds for a server to come up, to end
ENDED = FileNotFoundError, ProcessLookupError  # what /proc says of a process that has


@contextlib.contextmanager
def web_server() -> Iterator[str]:
    """The project's web server on a free port, as `make run` starts it; yields its address."""
    port = free_port()
    with web_server_at(port):
        yield f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def web_server_at(port: int) -> Iterator[int]:
    """The same on a port that is free; yields the pid."""
    known = programs.environment(settings.VAR_DIR, settings.VAR_DIR, "127.0.0.1", port, None)
    part = next(part for part in programs.parts(embedded_broker=False) if part.name == "web")
    expansions = {f"ENV_{name}": value for name, value in known.items()}
    words = [*shlex.split(part.command % expansions), "--log-level", "warning"]
    own = {name: value % expansions for name, value in part.environment.items()}
    options = {"env": os.environ | own}
    with started(words, f"http://127.0.0.1:{port}/health/", **options) as pid:
        yield pid


@contextlib.contextmanager
def started(command: Sequence[str], address: str, **options) -> Iterator[int]:
    """A server that runs for as long as the block lasts and answers at `address`; yields its pid.

    `options` go to Popen. Raises SystemExit where it does not come up.
    """
    server = subprocess.Popen(command, **options)
    try:
        until = time.monotonic() + PATIENCE
        while not _answers(address):
            if server.poll() is not None or time.monotonic() > until:
                raise SystemExit(f"{' '.join(map(str, command))} does not answer.")
            time.sleep(0.2)
        yield server.pid
    finally:
        end(server)


def end(server: subprocess.Popen) -> None:
    """End a process that was started here; by force where it takes more than LEAVE seconds."""
    server.terminate()
    try:
        server.wait(LEAVE)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=10).close()
    except urllib.error.HTTPError:
        # Any answer will do: without a broker /health/ says 503, and photos are answered all the
        # same.
        return True
    except OSError:
        return False
    return True


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        return door.getsockname()[1]


def family(pid: int) -> list[int]:
    """A process and all below it, whichever of its threads started them."""
    below = []
    with contextlib.suppress(*ENDED):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            below += (thread / "children").read_text().split()
    return [pid, *(each for child in below for each in family(int(child)))]


def cpu(pid: int) -> float:
    """Seconds of processor time that a process and those below it have used."""
    return _sum(cpu_seconds, pid)


def resident(pid: int) -> float:
    """MiB in memory of a process and those below it; shared pages count once."""
    return _sum(lambda each: memory(Path(f"/proc/{each}"))[1], pid)


def _sum(of: Callable[[int], float], pid: int) -> float:
    total = of(pid)
    for each in family(pid)[1:]:
        with contextlib.suppress(*ENDED):
            total += of(each)
    return total


def load() -> str:
    """How busy the machine is, for people."""
    return " ".join(f"{each:.1f}" for each in os.getloadavg())
