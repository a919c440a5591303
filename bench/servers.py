"""Start servers for a benchmark: the project's as `make run` starts them, and other commands."""

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
from collections.abc import Iterator, Sequence
from pathlib import Path

from django.conf import settings
from django.core.servers.basehttp import ThreadedWSGIServer
from django.core.wsgi import get_wsgi_application
from django.test.testcases import QuietWSGIRequestHandler

from shoeproject.up import programs, readiness

START_SECONDS, STOP_SECONDS = 180, 60  # that a server may take to start, to end
POLL_SECONDS = 0.5


@contextlib.contextmanager
def web_server(port: int | None = None) -> Iterator[tuple[str, int]]:
    """Run the project's web server as `make run` starts it; yields its address and pid.

    `port`: a free one by default.
    """
    port = port or free_port()
    known = programs.environment(settings.VAR_DIR, settings.VAR_DIR, "127.0.0.1", port, None)
    part = next(part for part in programs.all_programs(False) if part.name == "web")
    expansions = {f"ENV_{name}": value for name, value in known.items()}
    words = [*shlex.split(part.command % expansions), "--log-level", "warning"]
    own = {name: value % expansions for name, value in part.environment.items()}
    address = f"http://127.0.0.1:{port}"
    with server(words, f"{address}/health/", env=os.environ | own) as pid:
        yield address, pid


@contextlib.contextmanager
def server(command: Sequence[str], address: str, **options) -> Iterator[int]:
    """Run a server that answers at `address`; yields its pid.

    `options` go to Popen. Raises SystemExit if it does not start.
    """
    process = subprocess.Popen(command, **options)
    try:
        _wait_for_answer(address, process)
        yield process.pid
    finally:
        _end(process)


@contextlib.contextmanager
def whole_installation() -> Iterator[str]:
    """Run everything that `make run` starts; yields the address of the site."""
    address = f"http://127.0.0.1:{(port := free_port())}"
    settings.VAR_DIR.mkdir(parents=True, exist_ok=True)
    with open(settings.VAR_DIR / "bench.log", "w") as log:
        up = [sys.executable, "-m", "shoeproject.up", "--port", str(port)]
        process = subprocess.Popen(up, stdout=log, stderr=log)
        try:
            while not readiness.ready_file(settings.VAR_DIR, "short").exists():
                if process.poll() is not None:
                    raise SystemExit(Path(log.name).read_text())
                time.sleep(POLL_SECONDS)
            _wait_for_answer(f"{address}/health/", process)
            yield address
        finally:
            _end(process)


@contextlib.contextmanager
def in_this_process() -> Iterator[str]:
    """Run Django's own server in this process, so that settings can change; yields its address."""
    here = ThreadedWSGIServer(("127.0.0.1", 0), QuietWSGIRequestHandler)
    here.set_app(get_wsgi_application())
    threading.Thread(target=here.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{here.server_address[1]}"
    finally:
        here.shutdown()
        here.server_close()


def send_requests(job: dict) -> dict:
    """Send the requests of a job from a process of its own; see `bench.load_clients`."""
    done = subprocess.run(
        [sys.executable, "-m", "bench.load_clients"],
        input=json.dumps(job), capture_output=True, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def free_port() -> int:
    """Return a port of this machine that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def _wait_for_answer(address: str, process: subprocess.Popen) -> None:
    until = time.monotonic() + START_SECONDS
    while not _answers(address):
        if process.poll() is not None or time.monotonic() > until:
            raise SystemExit(f"{' '.join(map(str, process.args))} does not answer.")
        time.sleep(POLL_SECONDS)


def _answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=10).close()
    except urllib.error.HTTPError:
        # Any answer will do: without a broker /health/ says 503 while photos are recognised.
        return True
    except OSError:
        return False
    return True


def _end(process: subprocess.Popen) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
