"""Copies of a new picture among all that are or ever were here.

Perceptual hash and mean colour propose them; the pictures laid over each other decide. Hash and
colour alone would not do: of 17,443 photographs, most of them from catalogues, 52,418 pairs are
within 6 bits and a colour difference of 2. Of all that are proposed here, colours further apart
included, 35 are copies (`bench.copy_rule`).
"""

import io
from functools import lru_cache

import numpy as np
from django.conf import settings
from django.core.files.storage import storages
from django.db.models import Q
from PIL import Image

from curation.models import ShoeImage
from curation.models.image import media_name
from curation.similarity import perceptual_hash, registration

# Of a purged picture nothing is left to lay over: what is as near as this counts as it.
PURGED_BITS, PURGED_COLOUR = 2, 2.0
KEPT = 4096  # small pictures in memory, 6 kB each
SIDE = 256  # pixels, of what small pictures are made from


def copy_of(
    phash: int, colour: tuple[int, int, int], small: registration.Small
) -> ShoeImage | None:
    """The image of which a picture with this hash, mean colour (sRGB) and these small pictures is
    a copy, the nearest first; None for a new one.

    Looked at are the COPY_COMPARED nearest within COPY_HASH_DISTANCE bits and a difference of
    COPY_COLOUR.
    """
    proposed = _proposed(phash, colour)
    for distance, pk, _, apart in proposed:
        purged = ShoeImage.State.PURGED
        if distance <= PURGED_BITS and apart < PURGED_COLOUR:
            gone = ShoeImage.objects.filter(pk=pk, state=purged).first()
            if gone:
                return gone
    here = [(pk, stored) for _, pk, stored, _ in proposed if stored][: settings.COPY_COMPARED]
    looks = [(pk, seen) for pk, stored in here if (seen := _small(stored))]
    if not looks:
        return None
    wholes, contents = map(np.stack, zip(small, *(seen for _, seen in looks), strict=True))
    pairs = np.array([(0, i) for i in range(1, len(looks) + 1)])
    apart = registration.differences(pairs, wholes, contents)
    nearest = int(apart.argmin())
    if apart[nearest] >= registration.COPY_BELOW:
        return None
    return ShoeImage.objects.get(pk=looks[nearest][0])


def _proposed(phash: int, colour) -> list[tuple[int, int, str, float]]:
    """(bits, primary key, digest of the stored picture, difference in colour), nearest first."""
    near = Q()
    for number, band in enumerate(perceptual_hash.bands(phash)):
        near |= Q(**{f"band{number}__in": perceptual_hash.band_neighbours(band)})
    # Not sorted by the database: it would read thousands of rows for the first.
    rows = ShoeImage.objects.filter(near).order_by()
    found = []
    for pk, text, mean, stored in rows.values_list("pk", "phash", "colour", "stored_sha256"):
        distance = perceptual_hash.distance(phash, perceptual_hash.from_hex(text))
        if distance <= settings.COPY_HASH_DISTANCE and mean:
            apart = perceptual_hash.colour_distance(colour, tuple(bytes.fromhex(mean)))
            if apart < settings.COPY_COLOUR:
                found.append((distance, pk, stored, apart))
    return sorted(found)


@lru_cache(KEPT)
def _small(stored_sha256: str) -> registration.Small | None:
    """The small pictures of a stored one; None where it cannot be read."""
    try:
        with storages["media"].open(media_name(stored_sha256)) as file:
            image = Image.open(io.BytesIO(file.read()))
        image.draft("RGB", (SIDE, SIDE))
        return registration.small(image.convert("RGB"))
    except OSError:  # not there, or no picture any more
        return None
