"""Find the processes of an installation and read what they use, from /proc. Linux only."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from shoeproject.up import processes

ENDED = FileNotFoundError, ProcessLookupError  # raised by reads of /proc for a process that ended
# Part of a command line → name of the process.
NAMES = {
    "gunicorn": "web",
    "short@": "short worker",
    "train@": "train worker",
    " beat": "beat",
    "valkey-server": "broker",
    "manage.py train --run": "training process",
    "supervisord": "supervisor",
    "-m shoeproject.up": "make run",
}


def name(pid: int) -> str | None:
    """Name of a process of `make run`; None for any other."""
    line = command_line(pid)
    return next((label for part, label in NAMES.items() if part in line), None)


def command_line(pid: int) -> str:
    """Return a process's command line; empty if it ended or belongs to another user."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return words.decode(errors="replace").replace("\0", " ")


def memory(pid: int) -> tuple[float, float]:
    """Return a process's RSS and PSS in MiB (man 5 proc_pid_smaps_rollup). Raises OSError."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kilobytes = {row[0]: int(row[1]) for row in map(str.split, lines)}
    return kilobytes["Rss:"] / 1024, kilobytes["Pss:"] / 1024


def peak_memory(pid: int) -> float:
    """Return the largest resident memory a process has had, in MiB. Raises OSError."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def cpu_seconds(pid: int) -> float:
    """Return the processor time a process has used (man 5 proc_pid_stat, fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tree_cpu_seconds(pid: int) -> float:
    """Return the processor time of a process and its descendants."""
    return _sum_over_tree(cpu_seconds, pid)


def tree_memory(pid: int) -> float:
    """Return the memory of a process and its descendants in MiB; shared pages count once."""
    return _sum_over_tree(lambda each: memory(each)[1], pid)


def _sum_over_tree(measure: Callable[[int], float], pid: int) -> float:
    total = measure(pid)
    for each in _descendants(pid):
        with contextlib.suppress(*ENDED):
            total += measure(each)
    return total


def _descendants(pid: int) -> list[int]:
    """Return all processes below one, whichever of its threads started them."""
    children = []
    with contextlib.suppress(*ENDED):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            children += map(int, (thread / "children").read_text().split())
    return children + [each for child in children for each in _descendants(child)]


def web_processes(var: Path) -> list[int]:
    """Return the processes of `make run` that answer requests: gunicorn's children."""
    ours = {pid: parent for pid, parent in processes.find(var).items() if name(pid) == "web"}
    return sorted(pid for pid, parent in ours.items() if parent in ours)


def web_process_of_connection(var: Path, port: int, client_port: int) -> int:
    """Return the web process that holds the server's end of a connection; 0 if none does.

    See man 5 proc_net.
    """
    ends = f":{port:04X}", f":{client_port:04X}"
    rows = (row.split() for row in Path("/proc/net/tcp").read_text().splitlines()[1:])
    inode = next((row[9] for row in rows if (row[1][8:], row[2][8:]) == ends), None)
    for pid in web_processes(var):
        for handle in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if os.readlink(handle) == f"socket:[{inode}]":
                    return pid
    return 0


def load_average() -> str:
    """Return the machine's load averages over 1, 5 and 15 minutes, for printing."""
    return " ".join(f"{each:.1f}" for each in os.getloadavg())
