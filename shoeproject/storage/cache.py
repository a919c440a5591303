"""Stored files as files on local disk, checked on the way."""

import hashlib
from pathlib import Path

from django.core.files.storage import storages

from shoeproject.storage.files import written_beside


class WrongDigest(Exception):
    """A stored file is not the one that was expected; `name` is its name in the storage."""

    def __init__(self, name: str):
        super().__init__(name)
        self.name = name


def copy_stored(alias: str, name: str, target: Path, sha256: str | None = None) -> None:
    """Copy a file out of the storage `alias` to the path `target`, which is there whole or not.

    Raises FileNotFoundError where it is not stored, WrongDigest where it has another SHA-256.
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
    """The path `target`, copied there from the storage unless it is there already.

    Raises as `copy_stored` does.
    """
    if not target.exists():
        copy_stored(alias, name, target, sha256)
    return target
