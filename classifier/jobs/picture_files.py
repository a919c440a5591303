"""Stored pictures as files on local disk, for training; a digest names each file."""

from collections.abc import Callable, Iterable
from pathlib import Path

from django.conf import settings

from classifier.errors import ClassifierError
from curation.models.image import media_name
from shoeproject.parallel import map_in_threads
from shoeproject.storage.cache import WrongDigest, local_copy

DOWNLOADS = 8  # at a time


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
    """Digest → local file of every stored picture; `tick(done)` is called after each.

    Raises `PictureGone`.
    """
    digests = list(digests)
    return dict(zip(digests, map_in_threads(_fetch, digests, tick, DOWNLOADS), strict=True))


def drop(digests: Iterable[str]) -> None:
    """Remove the local files of these stored pictures."""
    for digest in digests:
        # A file that is being fetched right now has a longer name beside it.
        for path in _path(digest).parent.glob(f"*{digest}*"):
            path.unlink(missing_ok=True)


def _path(digest: str) -> Path:
    return settings.CACHE_DIR / "pictures" / digest[:2] / f"{digest}.jpg"


def _fetch(digest: str) -> Path:
    try:
        return local_copy("media", media_name(digest), _path(digest), digest)
    except FileNotFoundError as error:
        raise PictureGone(digest, "is missing from the storage") from error
    except WrongDigest as error:
        raise PictureGone(digest, "is not the one that was frozen") from error
