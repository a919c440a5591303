"""Small versions of stored pictures, made when first asked for and kept by the picture's digest."""

import io

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from PIL import Image

from curation.models import ShoeImage

QUALITY = 82


def thumbnail_name(stored_sha256: str) -> str:
    """Where the media storage keeps the thumbnail of a stored picture."""
    return f"thumbs/{stored_sha256[:2]}/{stored_sha256}.jpg"


def thumbnail(image: ShoeImage) -> bytes:
    """The picture as a JPEG of at most `settings.THUMBNAIL_SIDE` pixels each side.

    `FileNotFoundError` where the picture itself is gone.
    """
    media, name = storages["media"], thumbnail_name(image.stored_sha256)
    try:
        with media.open(name) as file:
            return file.read()
    except FileNotFoundError:
        pass
    if not image.file_name:
        raise FileNotFoundError(name)
    with media.open(image.file_name) as file:
        small = shrink(file, settings.THUMBNAIL_SIDE)
    media.save(name, ContentFile(small))
    return small


def remove(stored_sha256: str) -> None:
    """Forget a picture's thumbnail, for a purge; nothing happens where there is none."""
    storages["media"].delete(thumbnail_name(stored_sha256))


def shrink(file, side: int) -> bytes:
    """A stored picture (ours: upright RGB JPEG) → the bytes of one within `side`²; never grown."""
    with Image.open(file) as picture:
        # Lets the decoder leave out what shrinking would throw away.
        picture.draft("RGB", (2 * side, 2 * side))
        picture.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2)
        out = io.BytesIO()
        picture.convert("RGB").save(out, "JPEG", quality=QUALITY, optimize=True)
    return out.getvalue()
