"""Thumbnails of stored pictures, made when first needed and stored by the picture's digest."""

import io
from contextlib import suppress

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from PIL import Image

from curation.models import ShoeImage

QUALITY = 82


def thumbnail_name(stored_sha256: str) -> str:
    """The name of a stored picture's thumbnail in the media storage."""
    return f"thumbs/{stored_sha256[:2]}/{stored_sha256}.jpg"


def thumbnail(image: ShoeImage) -> bytes:
    """The picture as a JPEG of at most `settings.THUMBNAIL_SIDE` pixels a side.

    Raises FileNotFoundError where the picture itself is gone.
    """
    media, name = storages["media"], thumbnail_name(image.stored_sha256)
    with suppress(FileNotFoundError), media.open(name) as file:
        return file.read()
    if not image.file_name:
        raise FileNotFoundError(name)
    with media.open(image.file_name) as file:
        small = shrink(file, settings.THUMBNAIL_SIDE)
    media.save(name, ContentFile(small))
    return small


def remove(stored_sha256: str) -> None:
    """Remove a picture's thumbnail, if there is one."""
    storages["media"].delete(thumbnail_name(stored_sha256))


def shrink(file, side: int) -> bytes:
    """Scale a stored picture, an upright RGB JPEG, down to at most `side` pixels a side."""
    with Image.open(file) as picture:
        # The decoder may skip detail that scaling down would lose.
        picture.draft("RGB", (2 * side, 2 * side))
        picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2)
        out = io.BytesIO()
        picture.convert("RGB").save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()
