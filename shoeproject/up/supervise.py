"""Run supervisor, restart it if it dies, and end all processes at the stop.

Supervisor restarts the programs; this module restarts supervisor. Supervisor runs in a session of
its own, so that Ctrl-C reaches only this process and the programs stop in order.
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
from shoeproject.up.monitor import Monitor, report, tail

# Give up when supervisor was started this often within this many seconds.
STARTS, STARTS_SECONDS = 3, 30
# The broker stops after the other programs, and supervisor checks once a second.
GRACE_SECONDS = programs.STOP_SECONDS + 3


class SupervisorFailed(CannotStart):
    """Supervisor keeps dying; `tail` is the end of its `log`."""

    log: Path
    tail: str
    message = "The process manager does not stay up. The end of {log}:\n{tail}"


class Supervisor:
    """The supervisor process of one run, from the first start to the end of the last program."""

    def __init__(
        self, var: Path, sockets: Path, monitor: Monitor, config: str, environment: dict[str, str]
    ):
        self.var, self.sockets, self.monitor = var, sockets, monitor
        self.environment = environment
        self.config = var / "run" / "supervisord.conf"
        self.config.write_text(config)
        self.log = var / "log" / "supervisord.log"
        self.process = None
        self.starts = deque(maxlen=STARTS)
        self.signals = 0

    def run(self) -> None:
        """Run all programs until SIGINT, SIGTERM or SIGHUP, then end every process."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            # Under nohup the hang-up stays ignored. A shell ignores the interrupt for a command
            # started with `&`; one that is sent all the same is meant.
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._count_signal)
        try:
            self._start()
            while not self.signals:
                if self.process.poll() is None:
                    self.monitor.update(self._states())
                else:
                    self._restart()
                time.sleep(0.5)
        finally:
            if self.process:
                self._stop()

    def _count_signal(self, number, frame):
        self.signals += 1

    def _start(self) -> None:
        self.starts.append(time.monotonic())
        self.monitor.reset()
        with open(self.log, "a") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "supervisor.supervisord", "-c", str(self.config)],
                env=self.environment,
                cwd=Path(__file__).resolve().parents[2],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def _restart(self) -> None:
        if len(self.starts) == STARTS and time.monotonic() - self.starts[0] < STARTS_SECONDS:
            raise SupervisorFailed(self.log, tail(self.log))
        report("the process manager died; starting everything again")
        processes.end(self.var, GRACE_SECONDS)
        self._start()

    def _states(self) -> dict[str, dict]:
        """Return supervisor's process infos by program; empty while it does not answer."""
        transport = SupervisorTransport(None, None, f"unix://{self.sockets / 'super.sock'}")
        with contextlib.suppress(OSError, http.client.HTTPException, Fault):
            with ServerProxy("http://127.0.0.1", transport=transport) as server:
                return {info["name"]: info for info in server.supervisor.getAllProcessInfo()}
        return {}

    def _stop(self) -> None:
        report("stopping ...")
        signals = self.signals
        deadline = time.monotonic() + GRACE_SECONDS
        self.process.terminate()
        # Another Ctrl-C means: do not wait until workers have put their jobs back.
        while (
            self.process.poll() is None and time.monotonic() < deadline and self.signals == signals
        ):
            time.sleep(0.1)
        processes.end(self.var, grace_seconds=0)
        self.process.wait()
        report("stopped")
