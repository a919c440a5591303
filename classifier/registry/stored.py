"""Versions and embedders in the models storage, and their copies on local disk."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from django.conf import settings
from django.core.files import File
from django.core.files.storage import storages

from classifier.errors import BrokenVersion
from classifier.inference.card import CARD
from classifier.inference.model import Model
from classifier.models import ModelVersion, PretrainedEmbedder
from shoeproject.storage.cache import WrongDigest, copy_stored
from shoeproject.storage.files import sha256_of, written_beside

Loaded = TypeVar("Loaded")
Stored = ModelVersion | PretrainedEmbedder


def put(folder: Path, card: dict, kind: type[Stored] = ModelVersion) -> str:
    """Store the files of an exported version or embedder; returns its digest.

    The card goes last: a version without a card is no version.
    """
    digest = sha256_of(folder / CARD)
    for name in [*card["files"], CARD]:
        with open(folder / name, "rb") as file:
            storages["models"].save(kind(digest=digest).file_name(name), File(file))
    return digest


def fetch(version: Stored) -> Path:
    """The version's or embedder's folder on local disk, downloaded when it is not there yet.

    Raises `BrokenVersion` where a file is missing from the storage or is not what the card says.
    """
    folder = settings.CACHE_DIR / Path(version.file_name(CARD)).parent
    if not (folder / CARD).exists():
        with written_beside(folder) as beside:
            _download(version, beside)
    return folder


def _download(version: Stored, folder: Path) -> None:
    for name in [*version.card["files"], CARD]:
        expected = version.digest if name == CARD else version.card["files"][name]["sha256"]
        stored_name = version.file_name(name)
        try:
            copy_stored("models", stored_name, folder / name, expected)
        except FileNotFoundError as error:
            raise BrokenVersion(f"{stored_name} is missing from the models storage") from error
        except WrongDigest as error:
            raise BrokenVersion(f"{stored_name} is not the file its card describes") from error


def load(version: Stored, read: Callable[[Path], Loaded] = Model.load) -> Loaded:
    """The version's network, checked against every sum and the reference picture on its card.

    `read`: makes it of a folder; by default a `Model` on the CPU. A damaged local copy is deleted
    and fetched once more. Raises `BrokenVersion`.
    """
    folder = fetch(version)
    try:
        return read(folder)
    except BrokenVersion:
        shutil.rmtree(folder, ignore_errors=True)
        return read(fetch(version))


def verify(version: ModelVersion) -> None:
    """Load the version from the storage itself, whatever copies this machine holds.

    Raises `BrokenVersion`.
    """
    settings.CACHE_DIR.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="verify-", dir=settings.CACHE_DIR) as scratch:
        _download(version, Path(scratch))
        Model.load(Path(scratch))
