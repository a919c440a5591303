"""Servers of benchmarks: the project's own as `make run` starts it, and any other command."""

import contextlib
import json
import os
import shlex
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from django.conf import settings
from django.core.servers.basehttp import ThreadedWSGIServer
from django.core.wsgi import get_wsgi_application
from django.test.testcases import QuietWSGIRequestHandler

from bench.memory import memory, name
from shoeproject.up import processes, programs

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
    part = next(part for part in programs.all_programs(False) if part.name == "web")
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
        until_answered(address, server)
        yield server.pid
    finally:
        end(server)


@contextlib.contextmanager
def in_this_process() -> Iterator[str]:
    """The application behind a server of Django's in this process; yields its address.

    So that a page may be seen under other settings.
    """
    server = ThreadedWSGIServer(("127.0.0.1", 0), QuietWSGIRequestHandler)
    server.set_app(get_wsgi_application())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


def until_answered(address: str, server: subprocess.Popen) -> None:
    """Wait until a server answers at `address`.

    Raises SystemExit where it has ended, and after PATIENCE seconds.
    """
    until = time.monotonic() + PATIENCE
    while not _answers(address):
        if server.poll() is not None or time.monotonic() > until:
            raise SystemExit(f"{' '.join(map(str, server.args))} does not answer.")
        time.sleep(0.2)


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
        # Any answer will do: without a broker /health/ says 503 while photos are recognised.
        return True
    except OSError:
        return False
    return True


def ask(job: dict) -> dict:
    """What `bench.load` says of a job."""
    command = [sys.executable, "-m", "bench.load"]
    done = subprocess.run(
        command, input=json.dumps(job), capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def free_port() -> int:
    """A port of this machine that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        return door.getsockname()[1]


def web_processes() -> list[int]:
    """The processes of `make run` that answer: gunicorn's children."""
    ours = {pid: parent for pid, parent in processes.find(settings.VAR_DIR).items()
            if name(command_line(pid)) == "web"}  # fmt: skip
    return sorted(pid for pid, parent in ours.items() if parent in ours)


def process_behind(port: int, client_port: int) -> int:
    """Which web process holds the other end of a connection (man 5 proc_net); 0 if none does."""
    ends = f":{port:04X}", f":{client_port:04X}"
    rows = (row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:])
    inode = next((row[9] for row in rows if (row[1][8:], row[2][8:]) == ends), None)
    for pid in web_processes():
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if os.readlink(handle) == f"socket:[{inode}]":
                    return pid
    return 0


def command_line(pid: int) -> str:
    """A process's, its words divided by NUL; empty where it ended or is somebody else's."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def family(pid: int) -> list[int]:
    """A process and all below it, whichever of its threads started them."""
    below = []
    with contextlib.suppress(*ENDED):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            below += (thread / "children").read_text().split()
    return [pid, *(each for child in below for each in family(int(child)))]


def cpu_seconds(pid: int) -> float:
    """Seconds of processor time a process has used (man 5 proc_pid_stat, 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
