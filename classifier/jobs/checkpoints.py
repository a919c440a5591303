"""What a checkpoint is. Files and digests; nothing of torch.

A checkpoint is a folder with tensors in safetensors files and `state.json`, written last, which
lists every other file's sha256: without it, or with another digest, there is no checkpoint.
"""

import hashlib
import json
from pathlib import Path
from typing import Protocol

from classifier.errors import BrokenCheckpoint

STATE = "state.json"
FORMAT = 1


class Checkpoints(Protocol):
    """What training needs of a place for checkpoints."""

    def save(self, epoch: int, folder: Path) -> None:
        """Keep the folder as the state after `epoch` finished epochs; may move it away."""

    def latest(self) -> Path | None:
        """A local folder with the newest checkpoint whose files are verified, or None."""


def sha256_of(path: Path) -> str:
    """Digest of a file, as hexadecimal text."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify(folder: Path) -> dict:
    """The content of a checkpoint's `state.json`, every file's digest having been compared.

    Raises BrokenCheckpoint.
    """
    try:
        state = json.loads((folder / STATE).read_bytes())
        if state["format"] != FORMAT:
            raise BrokenCheckpoint(str(folder), f"format {state['format']} is not known")
        for name, digest in state["files"].items():
            if Path(name).name != name or sha256_of(folder / name) != digest:
                raise BrokenCheckpoint(str(folder), f"{name} has another digest")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BrokenCheckpoint(str(folder), f"{type(error).__name__}: {error}") from error
    return state
