"""Secret key and socket path of an installation on one machine."""

import contextlib
import hashlib
import os
import re
import secrets
import tempfile
from pathlib import Path

# The address of a Unix socket holds 108 bytes with the terminating zero (man 7 unix).
MAX_SOCKET_PATH = 107


def secret_key(var: Path) -> str:
    """Return the installation's secret key; it is created once, in a file for its owner only."""
    path = var / "secret-key"
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        var.mkdir(parents=True, exist_ok=True)
    # Only its owner can read a temporary file.
    with tempfile.NamedTemporaryFile("w", prefix="secret-key.", dir=var) as file:
        file.write(secrets.token_urlsafe(50))
        file.flush()
        with contextlib.suppress(FileExistsError):
            # link() never replaces a file: processes that start together all use the first key.
            os.link(file.name, path)
    return path.read_text().strip()


def socket_path(var: Path) -> Path:
    """Return the path of the embedded broker's socket.

    It is below `var`. If that path is too long for a socket or has characters that a URL cannot
    hold, it is in a private directory whose short name is derived from `var`.
    """
    path = var / "run" / "valkey.sock"
    if len(os.fsencode(path)) <= MAX_SOCKET_PATH and re.fullmatch(
        r"[\w./ -]+", str(path), re.ASCII
    ):
        return path
    name = hashlib.sha256(os.fsencode(var)).hexdigest()[:12]
    return Path(tempfile.gettempdir()) / f"shoes-{os.getuid()}-{name}" / "valkey.sock"
