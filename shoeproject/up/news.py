"""What people are told about the parts of a run: ready, late, dead, dying again and again."""

import contextlib
import http.client
import time
from collections import deque
from pathlib import Path

import redis

from shoeproject.up.programs import Part
from shoeproject.up.ready import marker

# Seconds after which a part that is not ready is reported, with the end of its log.
START_SECONDS = 60
# A part that died this often within this many seconds "keeps dying".
DEATHS, DEATHS_SECONDS = 3, 60


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    print(line, flush=True)


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, indented."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, file.seek(0, 2) - 20_000))
            last = file.read().decode(errors="replace").splitlines()[-lines:]
    except OSError:
        last = []
    return "\n".join(f"    {line}" for line in last or ["(nothing)"])


class Site:
    """Where the web server of a run answers, and to which name."""

    def __init__(self, host: str, port: int, allowed_hosts: list[str]):
        # Who listens everywhere is asked at the loopback address.
        self.host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
        self.port = port
        self.for_others = host not in ("127.0.0.1", "::1", "localhost")
        self.allowed_hosts = allowed_hosts
        shown = f"[{self.host}]" if ":" in self.host else self.host
        self.address = f"http://{shown}:{port}/"
        # Django answers 400 to names it was not told, its own health check included.
        named = {name.strip("[]") for name in allowed_hosts}
        if self.host in named or "*" in named:
            self.name = f"{shown}:{port}"
        else:
            self.name = allowed_hosts[0].lstrip(".") if allowed_hosts else shown

    def healthy(self) -> bool:
        """Whether the health page answers, and says that all is well."""
        asked = http.client.HTTPConnection(self.host, self.port, timeout=3)
        with contextlib.suppress(OSError, http.client.HTTPException):
            with contextlib.closing(asked):
                asked.request("GET", "/health/", headers={"Host": self.name})
                return asked.getresponse().status == 200
        return False


class News:
    """Follows the parts through what supervisor says about them, and says what changed."""

    def __init__(self, var: Path, sockets: Path, parts: list[Part], site: Site):
        self.var, self.sockets, self.parts, self.site = var, sockets, parts, site
        self.deaths = {part.name: deque(maxlen=DEATHS) for part in parts}
        self.begin()

    def begin(self) -> None:
        """Everything starts now, or starts again."""
        for part in self.parts:
            marker(self.var, part.name).unlink(missing_ok=True)
        self.waiting_since = {part.name: time.monotonic() for part in self.parts}
        # The time of the start we know of, by part; None once its end was told.
        self.living = {}
        # Parts that keep dying: not a word more about them until they are ready.
        self.given_up_telling = set()
        self.announced = False

    def look(self, states: dict[str, dict]) -> None:
        """Take in supervisor's process infos by name; print what is new."""
        for part in self.parts:
            if part.name in states:
                self._look_at(part, states[part.name])
        if not self.waiting_since and not self.announced:
            self.announced = True
            self._announce()

    def _look_at(self, part, state):
        started, living = state["start"], self.living.get(part.name)
        if living and (started != living or not state["pid"]):
            self._died(part)
        # Between two looks a part may have died and be up again, or not for a while yet.
        self.living[part.name] = started if state["pid"] else None
        since = self.waiting_since.get(part.name)
        if since is None:
            return
        if state["pid"] and self._ready(part, state):
            del self.waiting_since[part.name]
            self.given_up_telling.discard(part.name)
            say(f"{part.title} ready")
        elif time.monotonic() - since > START_SECONDS:
            self.waiting_since[part.name] = time.monotonic() + 10 * START_SECONDS
            say(f"{part.title} is not up after {START_SECONDS} s.{self._end_of_log(part)}")

    def _died(self, part):
        now = time.monotonic()
        self.waiting_since.setdefault(part.name, now)
        if part.name in self.given_up_telling:
            return
        times = self.deaths[part.name]
        times.append(now)
        if len(times) == DEATHS and now - times[0] < DEATHS_SECONDS:
            times.clear()
            self.given_up_telling.add(part.name)
            say(f"{part.title} keeps dying; it is tried again and again.{self._end_of_log(part)}")
        else:
            say(f"{part.title} died; restarting it")

    def _ready(self, part, state) -> bool:
        if part.name == "broker":
            return self._broker_answers()
        if part.name == "web":
            return self.site.healthy()
        if part.name == "beat":
            return state["statename"] == "RUNNING"
        try:
            return marker(self.var, part.name).read_text() == str(state["pid"])
        except FileNotFoundError:
            return False

    def _broker_answers(self) -> bool:
        path = str(self.sockets / "valkey.sock")
        with contextlib.suppress(redis.RedisError):
            with redis.Redis(unix_socket_path=path, socket_timeout=3) as client:
                return client.ping()
        return False

    def _end_of_log(self, part) -> str:
        log = self.var / "log" / f"{part.name}.log"
        return f" The end of {log}:\n{tail(log)}"

    def _announce(self):
        say(
            f"\nReady: {self.site.address}\n"
            f"  admin     {self.site.address}admin/\n"
            f"  API docs  {self.site.address}api/v1/docs/\n"
            f"  logs      {self.var / 'log'}\n"
            f"{self._names()}"
            "Press Ctrl-C to stop."
        )

    def _names(self) -> str:
        # Whoever opens the site to others is soon puzzled by a bare "Bad Request".
        if not self.site.for_others:
            return ""
        return f"  answers   to {', '.join(self.site.allowed_hosts)} alone (ALLOWED_HOSTS)\n"
