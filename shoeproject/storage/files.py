"""Write local files and folders completely or not at all, and hash files. Pure."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_beside(target: Path) -> Iterator[Path]:
    """Yield a temporary path in the folder of `target`, renamed to `target` after the block.

    The block writes a file or a folder there. Missing parent folders are created. A file replaces
    an existing one in one step; a folder that another process has created at `target` meanwhile is
    kept. If the block raises, the temporary path is removed and `target` stays as it was.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield beside
        try:
            os.replace(beside, target)
        except OSError:
            if not (beside.is_dir() and target.is_dir()):
                raise
    finally:
        if beside.is_dir():
            shutil.rmtree(beside, ignore_errors=True)
        else:
            beside.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256 as hexadecimal text."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
