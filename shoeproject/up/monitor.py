"""Print the state of a run's programs: ready, late, died, dies again and again."""

import contextlib
import http.client
import time
from collections import deque
from pathlib import Path
from typing import Any

import redis

from shoeproject.up.programs import Program
from shoeproject.up.readiness import ready_file

# Seconds after which a program that is not ready is reported, with the end of its log.
START_SECONDS = 60
# A program that died this often within this many seconds "keeps dying".
DEATHS, DEATHS_SECONDS = 3, 60


def report(line: str) -> None:
    """Print a line at once, also if the output is a pipe."""
    print(line, flush=True)


def tail(log: Path, lines: int = 12) -> str:
    """Return the last lines of a log, indented."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - 20_000))
            last = file.read().decode(errors="replace").splitlines()[-lines:]
    except OSError:
        last = []
    return "\n".join(f"    {line}" for line in last or ["(nothing)"])


class Site:
    """Address of a run's web server, and the host name its health check uses."""

    def __init__(self, host: str, port: int, allowed_hosts: list[str]):
        # A server that listens on all addresses is checked at the loopback address.
        self.host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        self.port = port
        self.is_public = host not in ("127.0.0.1", "::1", "localhost")
        self.allowed_hosts = allowed_hosts
        shown = f"[{self.host}]" if ":" in self.host else self.host
        self.address = f"http://{shown}:{port}/"
        # Django answers 400 to a request for any other name, the health check included.
        names = {name.strip("[]") for name in allowed_hosts}
        if self.host in names or "*" in names:
            self.host_header = f"{shown}:{port}"
        else:
            self.host_header = allowed_hosts[0].lstrip(".") if allowed_hosts else shown

    def is_healthy(self) -> bool:
        """Return whether the health page answers with 200."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=3)
        with (
            contextlib.suppress(OSError, http.client.HTTPException),
            contextlib.closing(connection),
        ):
            connection.request("GET", "/health/", headers={"Host": self.host_header})
            return connection.getresponse().status == 200
        return False


class Monitor:
    """Follows the programs through supervisor's process infos and prints what has changed."""

    def __init__(self, var: Path, sockets: Path, programs: list[Program], site: Site):
        self.var, self.sockets, self.programs, self.site = var, sockets, programs, site
        self.deaths = {program.name: deque(maxlen=DEATHS) for program in programs}
        self.reset()

    def reset(self) -> None:
        """Expect every program to start now, for the first time or again."""
        for program in self.programs:
            ready_file(self.var, program.name).unlink(missing_ok=True)
        self.waiting_since = {program.name: time.monotonic() for program in self.programs}
        # Program → when its current process was started; None once that process has ended.
        self.started_at = {}
        # Programs that keep dying; nothing more is printed about them until they are ready.
        self.muted = set()
        self.addresses_printed = False

    def update(self, states: dict[str, dict[str, Any]]) -> None:
        """Take supervisor's process infos, by program name, and print what has changed."""
        for program in self.programs:
            if program.name in states:
                self._update_program(program, states[program.name])
        if not self.waiting_since and not self.addresses_printed:
            self.addresses_printed = True
            self._print_addresses()

    def _update_program(self, program: Program, state: dict[str, Any]) -> None:
        name, started_at = program.name, self.started_at.get(program.name)
        # Between two updates a program may have died and been restarted already.
        if started_at and (state["start"] != started_at or not state["pid"]):
            self._report_death(program)
        self.started_at[name] = state["start"] if state["pid"] else None
        since = self.waiting_since.get(name)
        if since is None:
            return
        if state["pid"] and self._is_ready(name, state):
            del self.waiting_since[name]
            self.muted.discard(name)
            report(f"{program.title} ready")
        elif time.monotonic() - since > START_SECONDS:
            self.waiting_since[name] = time.monotonic() + 10 * START_SECONDS
            report(f"{program.title} is not up after {START_SECONDS} s.{self._end_of_log(name)}")

    def _report_death(self, program: Program) -> None:
        now = time.monotonic()
        self.waiting_since.setdefault(program.name, now)
        if program.name in self.muted:
            return
        times = self.deaths[program.name]
        times.append(now)
        if len(times) == DEATHS and now - times[0] < DEATHS_SECONDS:
            times.clear()
            self.muted.add(program.name)
            log = self._end_of_log(program.name)
            report(f"{program.title} keeps dying; it is tried again and again.{log}")
        else:
            report(f"{program.title} died; restarting it")

    def _is_ready(self, name: str, state: dict[str, Any]) -> bool:
        if name == "broker":
            return self._broker_answers()
        if name == "web":
            return self.site.is_healthy()
        if name == "beat":
            return state["statename"] == "RUNNING"
        try:
            return ready_file(self.var, name).read_text() == str(state["pid"])
        except FileNotFoundError:
            return False

    def _broker_answers(self) -> bool:
        client = redis.Redis(unix_socket_path=str(self.sockets / "valkey.sock"), socket_timeout=3)
        with contextlib.suppress(redis.RedisError), client:
            return client.ping()
        return False

    def _end_of_log(self, name: str) -> str:
        log = self.var / "log" / f"{name}.log"
        return f" The end of {log}:\n{tail(log)}"

    def _print_addresses(self) -> None:
        names = ""
        if self.site.is_public:
            # Django answers "Bad Request" to any other name, without a reason.
            names = f"  answers   to {', '.join(self.site.allowed_hosts)} alone (ALLOWED_HOSTS)\n"
        report(
            f"\nReady: {self.site.address}\n"
            f"  admin     {self.site.address}admin/\n"
            f"  API docs  {self.site.address}api/v1/docs/\n"
            f"  logs      {self.var / 'log'}\n"
            f"{names}"
            "Press Ctrl-C to stop."
        )
