"""Bytes → an image in the database: prepared without the database, then taken in."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import IntegrityError, transaction

from curation import images, splits
from curation.errors import CurationError
from curation.models import Collection, Import, Review, ShoeImage
from curation.models.image import media_name
from curation.similarity import near_duplicates, perceptual_hash, registration


class NearCopy(CurationError):
    """The picture is a copy of an image, even a rejected or purged one. `image`: primary key."""

    image: int
    state: str

    code = "near-copy"
    message = "It is a copy of image {image}, which is {state}."


class TooSmall(CurationError):
    """The picture's shorter side has fewer pixels than required."""

    width: int
    height: int
    limit: int

    code = "too-small"
    message = "It has {width} by {height} pixels; the shorter side needs {limit}."


@dataclass(frozen=True)
class Origin:
    """Where a picture came from, and what else is known of it besides its bytes.

    The fields are those of `ShoeImage`.
    """

    group: str = ""
    source: str = ""
    licence: str = "unknown"
    consent: str = ""
    scene: str = ShoeImage.Scene.UNKNOWN
    title: str = ""
    imported_by: Import | None = None
    collection: Collection | None = None
    query: str = ""
    rank: int | None = None
    page_url: str = ""
    file_url: str = ""


@dataclass(frozen=True)
class Prepared:
    """A picture that was decoded, turned upright and encoded again.

    `sha256`: of the bytes as received; `stored`: JPEG; `width`, `height`: pixels, upright;
    `colour`: mean sRGB; `comparison_images`: see `registration`.
    """

    sha256: str
    stored: bytes
    stored_sha256: str
    width: int
    height: int
    phash: int
    colour: tuple[int, int, int]
    comparison_images: registration.ComparisonImages


def limits() -> images.Limits:
    """The installation's limits on pictures, from its settings."""
    return images.Limits(
        max_bytes=settings.IMAGE_MAX_BYTES,
        max_pixels_jpeg=settings.IMAGE_MAX_PIXELS_JPEG,
        max_pixels=settings.IMAGE_MAX_PIXELS,
        max_side=settings.IMAGE_MAX_SIDE,
    )


def domain_of(url: str) -> str:
    """The host of a URL, without "www."; "" where it has none."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return host.removeprefix("www.")[:120]


def page_group(page_url: str) -> str:
    """The group of pictures that were found on one page; "" where no page is known.

    Pictures of one page are often views of one thing, so a group keeps them in one split. The
    digest is used because addresses may be longer than a group's name.
    """
    domain = domain_of(page_url)
    return f"{domain}:{images.sha256_hex(page_url.encode())[:24]}" if domain else ""


def prepare(data: bytes, within: images.Limits) -> Prepared:
    """Decode and describe a picture, without the database. Raises what `images.decode` raises."""
    picture = images.decode(data, within)
    stored = images.encode(picture.image)
    return Prepared(
        sha256=images.sha256_hex(data),
        stored=stored,
        stored_sha256=images.sha256_hex(stored),
        width=picture.width,
        height=picture.height,
        phash=perceptual_hash.phash(picture.image),
        colour=perceptual_hash.mean_colour(picture.image),
        comparison_images=registration.comparison_images(picture.image),
    )


def take_in(
    prepared: Prepared, origin: Origin, *, label=None, proposed=None, by=None,
    keep_copies: bool = True, min_side: int = 0, also: Callable[[ShoeImage], None] | None = None,
) -> tuple[ShoeImage, bool]:  # fmt: skip
    """Make an image of a prepared picture, or find it; return it and whether it is new.

    An image with the same bytes is left as it is, even if it is rejected or purged. The file is
    written before the row, so a row never names a missing file. `also(image)` is called for a new
    one in the transaction that writes its row, and may refuse it by raising. Call this outside of
    transactions: looking for copies and writing the file would hold up other writers.
    Raises `TooSmall`, and without `keep_copies` `NearCopy`.
    """
    if known := ShoeImage.objects.filter(sha256=prepared.sha256).first():
        return known, False
    if min(prepared.width, prepared.height) < min_side:
        raise TooSmall(prepared.width, prepared.height, min_side)
    if not keep_copies:
        copy = near_duplicates.copy_of(prepared.phash, prepared.colour, prepared.comparison_images)
        if copy:
            raise NearCopy(copy.pk, copy.state)
    storages["media"].save(media_name(prepared.stored_sha256), ContentFile(prepared.stored))
    image = _row(prepared, origin, label, proposed)
    try:
        with transaction.atomic():
            image.save(force_insert=True)
            if label:
                Review.objects.create(
                    image=image, by=by, action=Review.Action.IMPORT,
                    label_to=label, state_to=image.state,
                )  # fmt: skip
            if also:
                also(image)
    except IntegrityError:
        # Another worker has taken in the same picture meanwhile.
        return ShoeImage.objects.get(sha256=prepared.sha256), False
    return image, True


def add_image(
    data: bytes, origin: Origin, *, label=None, proposed=None, by=None,
    keep_copies: bool = True, min_side: int = 0,
) -> tuple[ShoeImage, bool]:  # fmt: skip
    """Take in a picture's bytes, or find their image; return it and whether it is new.

    Known bytes are only hashed, not decoded. Raises what `prepare` and `take_in` raise.
    """
    if known := ShoeImage.objects.filter(sha256=images.sha256_hex(data)).first():
        return known, False
    return take_in(
        prepare(data, limits()), origin, label=label, proposed=proposed, by=by,
        keep_copies=keep_copies, min_side=min_side,
    )  # fmt: skip


def _row(prepared: Prepared, origin: Origin, label, proposed) -> ShoeImage:
    key = splits.split_key(origin.group, prepared.sha256)
    bands = perceptual_hash.bands(prepared.phash)
    return ShoeImage(
        sha256=prepared.sha256,
        stored_sha256=prepared.stored_sha256,
        stored_bytes=len(prepared.stored),
        width=prepared.width,
        height=prepared.height,
        phash=perceptual_hash.to_hex(prepared.phash),
        **{f"band{number}": band for number, band in enumerate(bands)},
        colour=bytes(prepared.colour).hex(),
        **vars(origin),
        domain=domain_of(origin.page_url) or domain_of(origin.file_url),
        label=label,
        proposed=proposed,
        split_key=key,
        split=splits.split_of(key),
    )
