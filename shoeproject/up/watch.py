"""Runs supervisor and leaves nothing running.

Supervisor heals the parts; this heals supervisor, which nobody else would. Supervisor runs in a
session of its own, so that Ctrl-C reaches this process alone and the parts stop in order.
"""

import contextlib
import http.client
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path
from xmlrpc.client import Fault, ServerProxy

from supervisor.xmlrpc import SupervisorTransport

from shoeproject.up import processes, programs
from shoeproject.up.checks import CannotStart
from shoeproject.up.news import News, say, tail

# Supervisor that started this often within this many seconds will not get better.
STARTS, STARTS_SECONDS = 3, 30
# The broker stops after the rest, and supervisor looks once a second.
PATIENCE = programs.STOP_SECONDS + 3
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class ManagerFailed(CannotStart):
    """Supervisor itself does not stay up; `tail` is the end of its `log`."""

    log: Path
    tail: str
    message = "The process manager does not stay up. The end of {log}:\n{tail}"


class Run:
    """One run of all parts: from the first start to the last process's end."""

    def __init__(self, var: Path, sockets: Path, news: News, config: str, environment: dict):
        self.var, self.sockets, self.news = var, sockets, news
        self.environment = environment
        self.config = var / "run" / "supervisord.conf"
        self.config.write_text(config)
        self.log = var / "log" / "supervisord.log"
        self.supervisord = None
        self.starts = deque(maxlen=STARTS)
        self.signals = 0

    def until_told(self) -> None:
        """Start everything; return once a signal said to stop and nothing is left running."""
        for number in SIGNALS:
            # nohup ignores the hang-up on purpose. A shell's `&` ignores the interrupt for reasons
            # of its own; who sends one by hand means it.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._count)
        try:
            self._spawn()
            while not self.signals:
                if self.supervisord.poll() is None:
                    self.news.look(self._states())
                else:
                    self._heal()
                time.sleep(0.5)
        finally:
            if self.supervisord:
                self._stop()

    def _count(self, number, frame):
        self.signals += 1

    def _spawn(self):
        self.starts.append(time.monotonic())
        self.news.begin()
        with open(self.log, "a") as out:
            self.supervisord = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-c", str(self.config)],
                env=self.environment,
                cwd=Path(__file__).resolve().parents[2],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def _heal(self):
        if len(self.starts) == STARTS and time.monotonic() - self.starts[0] < STARTS_SECONDS:
            raise ManagerFailed(self.log, tail(self.log))
        say("the process manager died; starting everything again")
        processes.end(self.var, patience=PATIENCE)
        self._spawn()

    def _states(self) -> dict[str, dict]:
        """Supervisor's word on every part, by name; empty while it does not answer."""
        transport = SupervisorTransport(None, None, f"unix://{self.sockets / 'super.sock'}")
        with contextlib.suppress(OSError, http.client.HTTPException, Fault):
            with ServerProxy("http://127.0.0.1", transport=transport) as server:
                return {info["name"]: info for info in server.supervisor.getAllProcessInfo()}
        return {}

    def _stop(self):
        say("stopping ...")
        told = self.signals
        deadline = time.monotonic() + PATIENCE
        self.supervisord.terminate()
        # A second Ctrl-C is from somebody who does not want to wait for jobs to be handed back.
        while (
            self.supervisord.poll() is None and time.monotonic() < deadline and self.signals == told
        ):
            time.sleep(0.1)
        processes.end(self.var, patience=0)
        self.supervisord.wait()
        say("stopped")
