"""Copies of stored files on local disk, verified by SHA-256."""

import hashlib
from pathlib import Path

from django.core.files.storage import storages

from shoeproject.errors import ProjectError
from shoeproject.storage.files import written_beside


class WrongDigest(ProjectError):
    """A stored file's SHA-256 is not the expected one; `name` is its name in the storage."""

    name: str
    code = "wrong_digest"
    status = 500
    message = "The stored file {name} is damaged: its SHA-256 is not the expected one."


def copy_stored(alias: str, name: str, target: Path, sha256: str | None = None) -> None:
    """Copy the file `name` of the storage `alias` to the path `target`, completely or not at all.

    Raises FileNotFoundError if it is not stored, WrongDigest if its SHA-256 differs from `sha256`.
    """
    digest = hashlib.sha256()
    with written_beside(target) as beside:
        with storages[alias].open(name) as stored, open(beside, "wb") as out:
            for chunk in stored.chunks():
                digest.update(chunk)
                out.write(chunk)
        if sha256 is not None and digest.hexdigest() != sha256:
            raise WrongDigest(name)


def local_copy(alias: str, name: str, target: Path, sha256: str | None = None) -> Path:
    """Return the path `target`, after copying the stored file there if it does not exist yet.

    Raises as `copy_stored` does.
    """
    if not target.exists():
        copy_stored(alias, name, target, sha256)
    return target
