"""What an installation on one machine makes for itself under `var/`: its key and its socket."""

import contextlib
import hashlib
import os
import re
import secrets
import tempfile
from pathlib import Path

# A Unix socket's address holds 108 bytes with its closing zero (man 7 unix).
MAX_SOCKET_PATH = 107


def secret_key(var: Path) -> str:
    """The installation's own secret key, made once and readable by its owner alone."""
    path = var / "secret-key"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        var.mkdir(parents=True, exist_ok=True)
    key = secrets.token_urlsafe(50)
    # A temporary file is its owner's alone.
    with tempfile.NamedTemporaryFile("w", prefix="secret-key.", dir=var) as beside:
        beside.write(key)
        beside.flush()
        with contextlib.suppress(FileExistsError):
            # link() never replaces: of processes that start together all read the first's key.
            os.link(beside.name, path)
    return path.read_text().strip()


def socket_path(var: Path) -> Path:
    """Where the embedded broker listens: under `var`, or, where that is too long for a socket or
    cannot stand in a URL, in a private directory with a short name that follows from it."""
    path = var / "run" / "valkey.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH and re.fullmatch(
        r"[\w./ -]+", str(path), re.ASCII
    ):
        return path
    name = hashlib.sha256(os.fsencode(var)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"shoes-{os.getuid()}-{name}" / "valkey.sock"
