"""Checkpoints of trainings: their format, on local disk and in the models storage. No torch.

A checkpoint is a folder with tensors in safetensors files and `state.json`, which lists the sha256
of every other file. It is written last: without it, or with another digest, a checkpoint is none.
"""

import json
import shutil
from pathlib import Path

from django.core.files import File
from django.core.files.storage import storages

from classifier.errors import BrokenCheckpoint
from shoeproject.storage.cache import copy_stored
from shoeproject.storage.files import sha256_of, written_beside

STATE = "state.json"
FORMAT = 1
KEPT = 2  # newest checkpoints: one may be damaged, or half written when its process is killed
ROOT = "checkpoints"  # folder in the models storage


def verify(folder: Path) -> dict:
    """The content of a checkpoint's `state.json`, after comparing the digest of every file.

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
    """Checkpoints in a local directory, for trainings that are no jobs.

    `epoch-00003` is the state after three epochs. One process writes at a time.
    """

    def __init__(self, directory: Path):
        self.directory = Path(directory)

    def save(self, epoch: int, folder: Path) -> None:
        """Move the folder here as the state after `epoch` finished epochs, verify it, delete old
        checkpoints. Raises BrokenCheckpoint."""
        for leftover in self.directory.glob(".*part*"):  # of a process that was killed
            shutil.rmtree(leftover)
        target = self.directory / f"epoch-{epoch:05d}"
        with written_beside(target) as beside:
            shutil.move(folder, beside)  # a copy where the folder is on another file system
            verify(beside)
            if target.exists():  # damaged, or this epoch would not have been repeated
                shutil.rmtree(target)
        for old in self._all()[:-KEPT]:
            shutil.rmtree(old)

    def latest(self) -> Path | None:
        """The newest undamaged checkpoint, or None."""
        for folder in reversed(self._all()):
            try:
                verify(folder)
            except BrokenCheckpoint:
                continue  # resuming from an older one gives the same weights, only later
            return folder
        return None

    def _all(self) -> list[Path]:
        return sorted(self.directory.glob("epoch-*"))


class StoredCheckpoints:
    """Checkpoints of a training run in the models storage, so that any machine can resume it.

    `scratch`: a local folder that `latest` copies them to.
    """

    def __init__(self, run_id: int, scratch: Path):
        self.run_id, self.scratch = run_id, scratch

    def save(self, epoch: int, folder: Path) -> None:
        """Store the files of `folder` as the state after `epoch` finished epochs, delete old
        checkpoints."""
        names = sorted(path.name for path in folder.iterdir() if path.name != STATE)
        for name in [*names, STATE]:
            with open(folder / name, "rb") as file:
                storages["models"].save(f"{_folder(self.run_id, epoch)}/{name}", File(file))
        for old in _epochs(self.run_id)[KEPT:]:
            _delete(_folder(self.run_id, old))

    def latest(self) -> Path | None:
        """A local copy of the newest undamaged checkpoint, or None."""
        for epoch in _epochs(self.run_id):
            folder = self.scratch / f"epoch-{epoch:05d}"
            shutil.rmtree(folder, ignore_errors=True)
            stored = _folder(self.run_id, epoch)
            try:
                for name in storages["models"].listdir(stored)[1]:
                    copy_stored("models", f"{stored}/{name}", folder / name)
                verify(folder)
            except (FileNotFoundError, BrokenCheckpoint):
                shutil.rmtree(folder, ignore_errors=True)
                continue
            return folder
        return None


Checkpoints = LocalCheckpoints | StoredCheckpoints


def drop(run_id: int) -> None:
    """Delete all stored checkpoints of a run."""
    for epoch in _epochs(run_id):
        _delete(_folder(run_id, epoch))
    # The folder, where the storage has folders.
    storages["models"].delete(f"{ROOT}/run-{run_id}")


def run_ids() -> list[int]:
    """The runs that have stored checkpoints."""
    return [int(name.removeprefix("run-")) for name in _subfolders(ROOT)]


def _folder(run_id: int, epoch: int) -> str:
    return f"{ROOT}/run-{run_id}/{epoch:05d}"


def _epochs(run_id: int) -> list[int]:
    """Numbers of a run's stored checkpoints, newest first."""
    names = _subfolders(f"{ROOT}/run-{run_id}")
    return sorted((int(name) for name in names if name.isdecimal()), reverse=True)


def _subfolders(folder: str) -> list[str]:
    try:
        return storages["models"].listdir(folder)[0]
    except FileNotFoundError:
        return []


def _delete(folder: str) -> None:
    # state.json goes first: what a kill leaves behind is then no checkpoint any more.
    _, names = storages["models"].listdir(folder)
    for name in sorted(names, key=lambda name: name != STATE):
        storages["models"].delete(f"{folder}/{name}")
    storages["models"].delete(folder)
