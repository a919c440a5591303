"""Bytes → an image in the database: prepared in any thread, taken in where the database is."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal
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
    """The picture is a copy of one that is or was here. `image`: that one's primary key."""

    image: int
    state: str

    code = "near-copy"
    message = "It is a copy of image {image}, which is {state}."


class TooSmall(CurationError):
    """The picture's shorter side is below what is asked for, in pixels."""

    width: int
    height: int
    limit: int

    code = "too-small"
    message = "It has {width} by {height} pixels; the shorter side needs {limit}."


@dataclass(frozen=True)
class Origin:
    """What is known of a picture besides its bytes."""

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

    @property
    def domain(self) -> str:
        """Host of the page it was found on, else of the file, without "www."."""
        return domain_of(self.page_url) or domain_of(self.file_url)


@dataclass(frozen=True)
class Prepared:
    """A picture that was decoded, turned upright and encoded again. `sha256`: of the bytes as
    received; `stored`: JPEG; `width`, `height`: pixels, upright; `colour`: mean sRGB;
    `small`: what it is compared by."""

    sha256: str
    stored: bytes
    stored_sha256: str
    width: int
    height: int
    phash: int
    colour: tuple[int, int, int]
    comparison_images: registration.ComparisonImages


@dataclass(frozen=True)
class Taken:
    """The image, and whether it came in now or its bytes were known."""

    image: ShoeImage
    outcome: Literal["new", "known"]


def limits() -> images.Limits:
    """The installation's limits on pictures, from its settings."""
    return images.Limits(
        max_bytes=settings.IMAGE_MAX_BYTES,
        max_pixels_jpeg=settings.IMAGE_MAX_PIXELS_JPEG,
        max_pixels=settings.IMAGE_MAX_PIXELS,
        max_side=settings.IMAGE_MAX_SIDE,
    )


def domain_of(url: str) -> str:
    """The host a URL names, for grouping; empty where it names none."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return host.removeprefix("www.")[:120]


def page_group(page_url: str) -> str:
    """The group of what was found on a page; empty where no page is known.

    Pictures of one page are views of one thing more often than not; on one side of a split either
    way. By digest, as addresses may be longer than a group's name.
    """
    domain = domain_of(page_url)
    return f"{domain}:{images.sha256_hex(page_url.encode())[:24]}" if domain else ""


def prepare(data: bytes, within: images.Limits) -> Prepared:
    """All of taking a picture in that needs no database. Raises the decode guard's errors."""
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
) -> Taken:  # fmt: skip
    """Make an image of a prepared picture, or find it.

    A picture whose bytes are here, were rejected or were purged is left as it is. The file is
    written before the row, so a row never names a missing file. `also(image)` is called for a new
    one in the transaction that writes its row, and may refuse it by raising. Call this outside of
    transactions: looking for copies and waiting for the disk would hold up who else writes.
    Raises `TooSmall`, and without `keep_copies` `NearCopy`.
    """
    known = ShoeImage.objects.filter(sha256=prepared.sha256).first()
    if known:
        return Taken(known, "known")
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
        # Another worker took the same picture in meanwhile.
        return Taken(ShoeImage.objects.get(sha256=prepared.sha256), "known")
    return Taken(image, "new")


def add_image(
    data: bytes, origin: Origin, *, label=None, proposed=None, by=None,
    keep_copies: bool = True, min_side: int = 0,
) -> tuple[ShoeImage, bool]:  # fmt: skip
    """Take one picture in, or find it: returns the image and whether it is new.

    Bytes that are known cost no more than their hash. Raises what `prepare` and `take_in` raise.
    """
    known = ShoeImage.objects.filter(sha256=images.sha256_hex(data)).first()
    if known:
        return known, False
    taken = take_in(
        prepare(data, limits()), origin, label=label, proposed=proposed, by=by,
        keep_copies=keep_copies, min_side=min_side,
    )  # fmt: skip
    return taken.image, taken.outcome == "new"


def _row(prepared: Prepared, origin: Origin, label, proposed) -> ShoeImage:
    key = splits.split_key(origin.group, prepared.sha256)
    band0, band1, band2, band3 = perceptual_hash.bands(prepared.phash)
    red, green, blue = prepared.colour
    return ShoeImage(
        sha256=prepared.sha256,
        stored_sha256=prepared.stored_sha256,
        stored_bytes=len(prepared.stored),
        width=prepared.width,
        height=prepared.height,
        phash=perceptual_hash.to_hex(prepared.phash),
        band0=band0,
        band1=band1,
        band2=band2,
        band3=band3,
        colour=f"{red:02x}{green:02x}{blue:02x}",
        group=origin.group,
        source=origin.source,
        licence=origin.licence,
        consent=origin.consent,
        scene=origin.scene,
        title=origin.title,
        imported_by=origin.imported_by,
        collection=origin.collection,
        query=origin.query,
        rank=origin.rank,
        page_url=origin.page_url,
        file_url=origin.file_url,
        domain=origin.domain,
        label=label,
        proposed=proposed,
        split_key=key,
        split=splits.split_of(key),
    )
