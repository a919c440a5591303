"""Checks before the start; each raises a `CannotStart` with a one-line message.

Nothing here needs Django, because the settings write to the folder that is checked here.
"""

import contextlib
import errno
import fcntl
import os
import shutil
import socket
import stat
import tempfile
from pathlib import Path
from typing import TextIO

from shoeproject.errors import ProjectError


class CannotStart(ProjectError):
    """The project cannot be started."""

    code = "cannot_start"


class AddressUnusable(CannotStart):
    """The web server cannot listen on this address; `why` is the system's error."""

    host: str
    port: int
    why: object
    message = "Cannot listen on {host} port {port}: {why}."


class PortTaken(CannotStart):
    """Another program listens on the port; `free` is a port nearby that may be free."""

    host: str
    port: int
    free: int
    message = (
        "Port {port} on {host} is taken by another program. "
        "Choose another one: make run PORT={free}"
    )


class AlreadyRunning(CannotStart):
    """Process `pid` already runs the project with this folder."""

    var: Path
    pid: str
    message = (
        "It already runs with {var} (process {pid}). "
        "Stop that with Ctrl-C where it was started, or with: kill {pid}"
    )


class NotWritable(CannotStart):
    """Nothing can be written below `path`; `why` is the system's error."""

    path: Path
    why: object
    message = "Cannot write to {path}: {why}. VAR_DIR names another folder."


class DiskFull(CannotStart):
    """Less than `needed` MB are free where `path` lies."""

    path: Path
    free: int
    needed: int
    message = (
        "Only {free} MB are free on the disk of {path}, {needed} MB are "
        "wanted. Make room, or set MIN_FREE_MB lower."
    )


def writable(var: Path) -> None:
    """Create the folders below `var` and test it by writing a file.

    This finds missing permissions, read-only file systems and full disks.
    """
    try:
        for folder in ("run", "log", "valkey"):
            (var / folder).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=var / "run") as probe:
            probe.write(bytes(4096))
    except OSError as error:
        raise NotWritable(var, error.strerror or error) from error


def private_folder(path: Path) -> None:
    """Create the folder `path`, or check that it is this user's, and close it to other users.

    Who reaches the sockets in it controls the broker. In the system's folder for temporary files
    another user may have created it first.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
            raise NotWritable(path, "it belongs to somebody else")
        path.chmod(0o700)
    except OSError as error:
        raise NotWritable(path, error.strerror or error) from error


def lock(var: Path) -> TextIO:
    """Lock `var` for this process and return the open file that holds the lock.

    The kernel drops the lock when the process dies, so a file left by a dead process does not
    prevent another start.
    """
    file = open(var / "run" / "up.pid", "a+")  # noqa: SIM115
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        pid = file.read().strip() or "unknown"
        file.close()
        raise AlreadyRunning(var, pid) from error
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


def _bind(host: str, port: int) -> None:
    family, kind, proto, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, kind, proto) as listener:
        # As the web server does: a port whose last connections are still closing is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()


def _free_near(host: str, port: int) -> int:
    for candidate in range(port + 1, min(port + 50, 65536)):
        with contextlib.suppress(OSError):
            _bind(host, candidate)
            return candidate
    return 8123  # no port nearby is free


def port_free(host: str, port: int) -> None:
    """Listen on `host`:`port` for a moment, to test that the web server can."""
    try:
        _bind(host, port)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise PortTaken(host, port, _free_near(host, port)) from error
        raise AddressUnusable(host, port, error.strerror or error) from error


def disk_space(var: Path, needed_mb: int) -> None:
    """Require `needed_mb` of free space: a disk that fills up while people label loses work."""
    free = shutil.disk_usage(var).free // 2**20
    if free < needed_mb:
        raise DiskFull(var, free, needed_mb)
