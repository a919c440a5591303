"""Write an export's files into its folder, completely or not at all."""

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from classifier.errors import ClassifierError

# May be in the folder before: it is often a clone of the repository that the export is for.
IGNORED = {".git"}


class FolderNotEmpty(ClassifierError):
    """The folder is not empty."""

    folder: str
    code = "folder_not_empty"
    message = (
        "{folder} is not empty; choose another folder, or --force, which replaces the files that "
        "an export writes and leaves all others."
    )


class FolderUnusable(ClassifierError):
    """The folder cannot be written."""

    folder: str
    why: str
    code = "folder_unusable"
    message = "{folder} cannot be written: {why}."


def check(folder: Path, force: bool) -> None:
    """Refuse a folder that is not empty, unless `force`, before any work is done.

    Raises FolderNotEmpty, FolderUnusable.
    """
    try:
        if not folder.exists():
            return
        if not folder.is_dir():
            raise FolderUnusable(str(folder), "it is a file")
        if not force and {path.name for path in folder.iterdir()} - IGNORED:
            raise FolderNotEmpty(str(folder))
    except OSError as error:
        raise FolderUnusable(str(folder), error.strerror or str(error)) from error


def write(folder: Path, files: Mapping[str, bytes | Path], force: bool, progress=None) -> int:
    """Write files (path in the folder → content, or a file to copy) and return their bytes.

    All are written to a temporary folder first and then renamed, so that a full disk changes
    nothing. Other files in the folder stay. `progress(done, of)` is called after each file.
    Raises what `check` raises.
    """
    check(folder, force)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Within the folder: beside it may be another disk.
        with tempfile.TemporaryDirectory(prefix=".part-", dir=folder) as scratch:
            for done, (name, content) in enumerate(files.items(), 1):
                _put(Path(scratch) / name, content)
                if progress:
                    progress(done, len(files))
            for name in files:
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(Path(scratch) / name, folder / name)
    except OSError as error:
        raise FolderUnusable(str(folder), error.strerror or str(error)) from error
    return sum((folder / name).stat().st_size for name in files)


def _put(path: Path, content: bytes | Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, Path):
        shutil.copyfile(content, path)
    else:
        path.write_bytes(content)
