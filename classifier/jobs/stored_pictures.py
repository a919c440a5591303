"""Stored pictures on local disk, for training: fetched once, known by their digest."""

import hashlib
import os
import uuid
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from django.conf import settings
from django.core.files.storage import storages

from classifier.errors import ClassifierError
from curation.models.image import media_name


class PictureGone(ClassifierError):
    """A picture of a snapshot is missing from the storage, or is not the one that was frozen."""

    stored_sha256: str
    why: str
    code = "picture_gone"
    message = (
        "The picture {stored_sha256:.12} {why}; restore it from a backup, or freeze a new "
        "snapshot without it."
    )


def fetch(digests: Iterable[str], tick: Callable[[int], None]) -> dict[str, Path]:
    """Digest → local file for every stored picture; `tick(done)` is called for each.

    Raises `PictureGone`.
    """
    digests = list(digests)
    paths = {}
    with ThreadPoolExecutor(8) as pool:
        try:
            for digest, path in zip(digests, pool.map(_one, digests), strict=True):
                paths[digest] = path
                tick(len(paths))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return paths


def _one(digest: str) -> Path:
    path = settings.CACHE_DIR / "pictures" / digest[:2] / f"{digest}.jpg"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with storages["media"].open(media_name(digest)) as file:
            data = file.read()
    except FileNotFoundError as error:
        raise PictureGone(digest, "is missing from the storage") from error
    if hashlib.sha256(data).hexdigest() != digest:
        raise PictureGone(digest, "is not the one that was frozen")
    beside = path.with_suffix(f".{uuid.uuid4().hex[:8]}.part")
    beside.write_bytes(data)
    os.replace(beside, path)
    return path
