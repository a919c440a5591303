"""A place for checkpoints on this machine alone, for trainings that are no jobs."""

import shutil
import tempfile
from pathlib import Path

from classifier.errors import BrokenCheckpoint
from classifier.jobs.checkpoints import verify


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
