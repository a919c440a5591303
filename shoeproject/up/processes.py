"""Find and end all processes of one run, whatever their parent process is.

Each process below supervisor has `UP_VAR=<the var folder>` in its environment and passes it on to
its children. So a training process in a session of its own is found, and so is what a killed
supervisor left running.
"""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path

RUN_VARIABLE = "UP_VAR"


def _list_from_proc() -> dict[int, tuple[int, str]]:
    """Return every visible process: pid → (parent's pid, its environment, NUL-separated)."""
    listed = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        # The process may have ended meanwhile; other users' environments are not readable.
        with contextlib.suppress(OSError):
            environ = (entry / "environ").read_bytes()
            # The command's name, in parentheses, may itself hold spaces and parentheses.
            status = (entry / "stat").read_bytes().rpartition(b")")[2].split()
            if status[0] != b"Z":
                listed[int(entry.name)] = int(status[1]), os.fsdecode(environ)
    return listed


def _list_from_ps() -> dict[int, tuple[int, str]]:
    """Do the same where there is no /proc: `ps` prints the environment after the command."""
    output = subprocess.run(
        ["ps", "axeww", "-o", "pid=,ppid=,command="], capture_output=True, text=True, check=False
    ).stdout
    listed = {}
    for line in output.splitlines():
        pid, parent, command = (line.split(None, 2) + ["", ""])[:3]
        listed[int(pid)] = int(parent), command.replace(" ", "\0")
    return listed


def find(var: Path) -> dict[int, int]:
    """Return the processes of the run with folder `var`, without this one: pid → parent's pid."""
    variable = f"{RUN_VARIABLE}={var}"
    listed = _list_from_proc() if Path("/proc/self/environ").exists() else _list_from_ps()
    return {
        pid: parent
        for pid, (parent, environ) in listed.items()
        if variable in environ.split("\0") and pid != os.getpid()
    }


def _send(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def end(var: Path, grace_seconds: float) -> bool:
    """End every process of the run with folder `var`; return whether there was one.

    SIGTERM goes to the topmost ones, which stop their children, so that workers put their jobs back
    into the queue. What is still alive after `grace_seconds` is killed.
    """
    left = find(var)
    if not left:
        return False
    _send([pid for pid, parent in left.items() if parent not in left], signal.SIGTERM)
    deadline = time.monotonic() + grace_seconds
    while (left := find(var)) and time.monotonic() < deadline:
        time.sleep(0.2)
    while left:
        # Repeated, because a killed process may have started another one meanwhile.
        _send(left, signal.SIGKILL)
        time.sleep(0.1)
        left = find(var)
    return True
