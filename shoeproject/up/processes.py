"""Finding and ending every process of one run, whoever its parent is by now.

Each process below supervisor carries `UP_VAR=<the var folder>` in its environment and hands it
down, so a training process in a session of its own is found like the web server is, and also what
a killed supervisor left behind.
"""

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path

MARK = "UP_VAR"


def _all() -> dict[int, tuple[int, str]]:
    """Every visible process: pid → (parent's pid, its environment as NUL-separated text)."""
    found = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        # Processes end while one looks at them, and others' environments are theirs.
        with contextlib.suppress(OSError):
            environ = (entry / "environ").read_bytes()
            # The command's name, in parentheses, may itself hold spaces and parentheses.
            status = (entry / "stat").read_bytes().rpartition(b")")[2].split()
            if status[0] != b"Z":
                found[int(entry.name)] = int(status[1]), os.fsdecode(environ)
    return found


def _all_by_ps() -> dict[int, tuple[int, str]]:
    """The same where there is no /proc: `ps` writes the environment behind the command."""
    listed = subprocess.run(
        ["ps", "axeww", "-o", "pid=,ppid=,command="], capture_output=True, text=True, check=False
    )
    found = {}
    for line in listed.stdout.splitlines():
        pid, parent, command = (line.split(None, 2) + ["", ""])[:3]
        found[int(pid)] = int(parent), command.replace(" ", "\0")
    return found


def of_run(var: Path) -> dict[int, int]:
    """The processes that work for `var`, this one excepted: pid → parent's pid."""
    mark = f"{MARK}={var}"
    everybody = _all() if Path("/proc/self/environ").exists() else _all_by_ps()
    return {
        pid: parent
        for pid, (parent, environ) in everybody.items()
        if mark in environ.split("\0") and pid != os.getpid()
    }


def _send(pids, number) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def end(var: Path, patience: float) -> bool:
    """End every process that works for `var`; return whether there was one.

    The topmost ones are asked and pass it on, so that workers hand their jobs back; what still
    lives after `patience` seconds is killed.
    """
    left = of_run(var)
    if not left:
        return False
    _send([pid for pid, parent in left.items() if parent not in left], signal.SIGTERM)
    deadline = time.monotonic() + patience
    while (left := of_run(var)) and time.monotonic() < deadline:
        time.sleep(0.2)
    while left:
        # Again until none is left: what is killed may have started another one meanwhile.
        _send(left, signal.SIGKILL)
        time.sleep(0.1)
        left = of_run(var)
    return True
