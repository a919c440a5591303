"""Checkpoints of a run in the models storage, so that any machine can go on with it.

`state.json`, stored last, makes a checkpoint valid. The two newest are kept: a kill while the
newest is written, or a damaged one, leaves the one before.
"""

import shutil
from pathlib import Path

from django.core.files import File
from django.core.files.storage import storages

from classifier.errors import BrokenCheckpoint
from classifier.jobs.checkpoints import STATE, verify

KEEP = 2


class StoredCheckpoints:
    """The checkpoints of one run, as `train` wants them; `scratch` is a local folder to read in."""

    def __init__(self, run_id: int, scratch: Path):
        self.run_id, self.scratch = run_id, scratch

    def save(self, epoch: int, folder: Path) -> None:
        """Store the files of `folder` as the state after `epoch` epochs, then forget old ones."""
        names = sorted(path.name for path in folder.iterdir() if path.name != STATE)
        for name in [*names, STATE]:
            with open(folder / name, "rb") as file:
                storages["models"].save(f"{_prefix(self.run_id, epoch)}/{name}", File(file))
        for old in _epochs(self.run_id)[KEEP:]:
            _delete(_prefix(self.run_id, old))

    def latest(self) -> Path | None:
        """A local copy of the newest whole checkpoint; None where there is none."""
        for epoch in _epochs(self.run_id):
            folder = self.scratch / f"epoch-{epoch:05d}"
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            try:
                _copy(_prefix(self.run_id, epoch), folder)
                verify(folder)
            except (FileNotFoundError, BrokenCheckpoint):
                shutil.rmtree(folder)
                continue
            return folder
        return None


def drop(run_id: int) -> None:
    """Delete every checkpoint of a run that is over."""
    for epoch in _epochs(run_id):
        _delete(_prefix(run_id, epoch))
    # The folder, where the storage has folders.
    storages["models"].delete(f"checkpoints/run-{run_id}")


def run_ids() -> list[int]:
    """The runs that have checkpoints."""
    try:
        folders, _ = storages["models"].listdir("checkpoints")
    except FileNotFoundError:
        return []
    return [int(name.removeprefix("run-")) for name in folders]


def _prefix(run_id: int, epoch: int) -> str:
    return f"checkpoints/run-{run_id}/{epoch:05d}"


def _epochs(run_id: int) -> list[int]:
    """Numbers of the checkpoints there are, newest first."""
    try:
        folders, _ = storages["models"].listdir(f"checkpoints/run-{run_id}")
    except FileNotFoundError:
        return []
    return sorted((int(name) for name in folders if name.isdecimal()), reverse=True)


def _copy(prefix: str, folder: Path) -> None:
    _, names = storages["models"].listdir(prefix)
    for name in names:
        with storages["models"].open(f"{prefix}/{name}") as file, open(folder / name, "wb") as out:
            shutil.copyfileobj(file, out)


def _delete(prefix: str) -> None:
    # state.json goes first: what a kill in between leaves is then no checkpoint any more.
    _, names = storages["models"].listdir(prefix)
    for name in sorted(names, key=lambda name: name != STATE):
        storages["models"].delete(f"{prefix}/{name}")
    storages["models"].delete(prefix)
