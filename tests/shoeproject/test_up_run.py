"""Real runs of `make run`: start, restart of what dies, stop, refusals in one line."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from django.conf import settings

from shoeproject.up import processes
from tests.ports import free_port

ROOT = settings.BASE_DIR

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="looks for processes in /proc"
)


def environment(var: Path) -> dict[str, str]:
    """A user's environment: none of the tests' own settings, everything below `var`."""
    ours = {
        "DJANGO_SETTINGS_MODULE", "DATABASE_URL", "REDIS_URL", "CACHE_URL", "S3_BUCKET",
        "ALLOWED_HOSTS", "CACHE_DIR",
    }  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return kept | {"VAR_DIR": str(var), "WEB_PROCESSES": "1", "MIN_FREE_MB": "1"}


def until(condition, seconds=60):
    """Wait until `condition()` is true, and return its value."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.1)
    return value


def alive(var: Path) -> dict[int, str]:
    """Every process with `var` in its environment: pid → command line."""
    commands = {}
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and str(var) in (entry / "environ").read_text(errors="replace"):
                command = (entry / "cmdline").read_text(errors="replace").replace("\0", " ")
                if command:  # a zombie has none
                    commands[int(entry.name)] = command
        except OSError:
            continue
    return commands


class Started:
    """`manage.py up` in a process group of its own, with what it printed."""

    def __init__(self, var: Path):
        self.var, self.port, self.output = var, free_port(), ""
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "up", "--port", str(self.port)],
            cwd=ROOT,
            env=environment(var),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.output += line

    def until_printed(self, text: str, times=1):
        def printed():
            assert self.process.poll() is None or self.output.count(text) >= times, self.output
            return self.output.count(text) >= times

        until(printed, 90)

    def health(self) -> dict | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/health/", timeout=5) as it:
                return json.load(it)
        except (OSError, urllib.error.URLError):
            return None

    def kill(self, words: str) -> int:
        """SIGKILL the main process whose command line holds `words`."""
        pid = min(pid for pid, command in alive(self.var).items() if words in command)
        os.kill(pid, signal.SIGKILL)
        return pid

    def workers(self) -> int:
        """How many workers answer a ping."""
        answer = subprocess.run(
            [sys.executable, "-m", "celery", "-A", "shoeproject", "inspect", "ping", "-t", "2"],
            cwd=ROOT, env=environment(self.var), capture_output=True, text=True,
        )  # fmt: skip
        return answer.stdout.count("pong")

    def stop(self, number) -> int:
        """Signal the group, as a terminal does; wait for the end and return the exit status."""
        os.killpg(self.process.pid, number)
        return self.process.wait(30)


@pytest.fixture
def running(tmp_path):
    """A function that starts everything for one folder; whatever is left is killed at the end."""
    var = tmp_path / "my shoes 100%" / "var"
    yield lambda: Started(var)
    for pid in alive(var):
        os.kill(pid, signal.SIGKILL)


@needs_proc
def test_everything_starts_is_restarted_and_stops(running):
    run = running()
    run.until_printed("Press Ctrl-C to stop.")
    password = re.search(r"Administrator: admin   password: (\S+)", run.output)
    assert password and run.output.count(password[1]) == 1
    assert run.health()["status"] == "ok"

    run.kill("valkey-server")
    run.until_printed("broker died")
    run.until_printed("broker ready", times=2)
    until(lambda: (run.health() or {}).get("status") == "ok")
    until(lambda: run.workers() == 2)

    run.kill("-Q short")
    run.until_printed("short-task worker ready", times=2)
    until(lambda: run.workers() == 2)

    second = subprocess.run(
        [sys.executable, "manage.py", "up", "--port", str(free_port())],
        cwd=ROOT, env=environment(run.var), capture_output=True, text=True,
    )  # fmt: skip
    assert second.returncode == 1
    assert second.stderr.startswith("Cannot start: It already runs")
    assert second.stderr.count("\n") == 1

    signalled = time.monotonic()
    assert run.stop(signal.SIGINT) == 0
    assert time.monotonic() - signalled < 15
    assert alive(run.var) == {}
    until(lambda: run.output.endswith("stopping ...\nstopped\n"), 5)


@needs_proc
def test_the_next_run_ends_what_a_killed_one_left_running(running):
    killed = running()
    killed.until_printed("Press Ctrl-C to stop.")
    os.kill(killed.process.pid, signal.SIGKILL)
    killed.kill("supervisor.supervisord")
    left = set(alive(killed.var))
    assert left

    run = running()
    run.until_printed("Press Ctrl-C to stop.")
    assert "stopping what an earlier run left behind" in run.output
    assert "password" not in run.output
    assert not left & set(alive(run.var))
    assert run.stop(signal.SIGTERM) == 0
    assert alive(run.var) == {}


@needs_proc
def test_a_process_in_its_own_session_that_ignores_sigterm_is_killed(tmp_path):
    code = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True)"
    stubborn = subprocess.Popen(
        [sys.executable, "-c", f"{code}; time.sleep(60)"],
        env=os.environ | {processes.RUN_VARIABLE: str(tmp_path)},
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    stubborn.stdout.readline()
    assert not processes.end(tmp_path / "another", grace_seconds=0)
    assert processes.end(tmp_path, grace_seconds=0.5)
    assert stubborn.wait(5) == -signal.SIGKILL


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"MIN_FREE_MB": "1000000000"}, "MB are free"),
        ({"MIN_FREE_MB": "plenty"}, "the settings cannot be used"),
        ({"DATABASE_URL": "sqlite:////nowhere/at/all/db"}, "database cannot be reached"),
        ({"VAR_DIR": str(ROOT / "manage.py" / "var")}, "Cannot write to"),
    ],
)
def test_the_reason_why_it_cannot_start_is_one_line(tmp_path, changes, words):
    failed = subprocess.run(
        [sys.executable, "-m", "shoeproject.up", "--port", str(free_port())],
        cwd=ROOT, env=environment(tmp_path) | changes, capture_output=True, text=True,
    )  # fmt: skip
    assert failed.returncode == 1
    assert failed.stderr.startswith("Cannot start: ") and words in failed.stderr
    assert failed.stderr.count("\n") == 1
