"""Files and folders on local disk that are never half there, and their digests. Pure."""

import hashlib
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def written_beside(target: Path) -> Iterator[Path]:
    """Give a path beside `target`; what the block writes there, a file or a folder, becomes it.

    The parent folder is made. At the end of the block the new file replaces the old one in one
    step; a folder is renamed, and where another process made `target` meanwhile, that one stays.
    Where the block fails nothing is left of it.
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
    """SHA-256 of a file, as hexadecimal text."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
