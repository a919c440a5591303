"""What a checkpoint is, and a local directory of them. Files and digests; nothing of torch.

A checkpoint is a folder with tensors in safetensors files and `state.json`, written last, which
lists every other file's sha256: without it, or with another digest, there is no checkpoint.
"""

import hashlib
import json
import shutil
import tempfile
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


class LocalCheckpoints:
    """Checkpoints in a local directory: `epoch-00003` is the state after three epochs.

    One process writes at a time. The newest `keep` stay; two, so that one damaged does no harm.
    """

    def __init__(self, directory: Path, keep: int = 2):
        self.directory, self.keep = Path(directory), keep

    def save(self, epoch: int, folder: Path) -> None:
        """Move the folder in, verify it, give it its name, prune. Raises BrokenCheckpoint."""
        self.directory.mkdir(parents=True, exist_ok=True)
        for leftover in self.directory.glob(".part-*"):  # of a process that was killed here
            shutil.rmtree(leftover)
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=self.directory)) / "state"
        shutil.move(folder, part)  # a copy where the folder is on another file system
        verify(part)
        target = self.directory / f"epoch-{epoch:05d}"
        if target.exists():  # damaged, or this epoch would not have been repeated
            shutil.rmtree(target)
        part.rename(target)
        part.parent.rmdir()
        for old in self._all()[: -self.keep]:
            shutil.rmtree(old)

    def latest(self) -> Path | None:
        """The newest undamaged checkpoint."""
        for folder in reversed(self._all()):
            try:
                verify(folder)
            except BrokenCheckpoint:
                continue  # an older one gives the same run, some epochs longer
            return folder
        return None

    def _all(self) -> list[Path]:
        return sorted(self.directory.glob("epoch-*"))
