"""Find the image that a new picture is a copy of, among all that are or ever were here.

Perceptual hash and mean colour propose candidates, image registration decides. Hash and colour
alone would refuse too much: of 17,443 photographs, most of them from catalogues, 52,418 pairs are
within 6 bits and a colour difference of 2. Of all candidates by the wider bounds used here, 35 are
copies (`bench.copy_rule`).
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

# Of a purged picture only hash and mean colour are left: what is this close to it counts as a copy.
PURGED_BITS, PURGED_COLOUR = 2, 2.0
CACHED = 4096  # pictures whose comparison images stay in memory, 6 kB each
DECODED_SIDE = 256  # pixels, at least, of the picture that comparison images are made from


def copy_of(
    phash: int, colour: tuple[int, int, int], comparison_images: registration.ComparisonImages
) -> ShoeImage | None:
    """The image of which a picture with this hash, mean colour (sRGB) and comparison images is a
    copy, the closest one; None where there is none.

    Compared are the COPY_COMPARED nearest candidates by hash, within COPY_HASH_DISTANCE bits and a
    colour difference below COPY_COLOUR.
    """
    candidates = _candidates(phash, colour)
    for bits, pk, _, colour_difference in candidates:
        if bits <= PURGED_BITS and colour_difference < PURGED_COLOUR:
            if purged := ShoeImage.objects.filter(pk=pk, state=ShoeImage.State.PURGED).first():
                return purged
    stored = [(pk, sha256) for _, pk, sha256, _ in candidates if sha256][: settings.COPY_COMPARED]
    others = [(pk, images) for pk, sha256 in stored if (images := stored_comparison_images(sha256))]
    if not others:
        return None
    wholes, contents = map(
        np.stack, zip(comparison_images, *(images for _, images in others), strict=True)
    )
    pairs = np.array([(0, i) for i in range(1, len(others) + 1)])
    differences = registration.differences(pairs, wholes, contents)
    nearest = int(differences.argmin())
    if differences[nearest] >= registration.COPY_BELOW:
        return None
    return ShoeImage.objects.get(pk=others[nearest][0])


def _candidates(phash: int, colour: tuple[int, int, int]) -> list[tuple[int, int, str, float]]:
    """(bits, primary key, digest of the stored picture, difference in colour), nearest first."""
    near = Q()
    for number, band in enumerate(perceptual_hash.bands(phash)):
        near |= Q(**{f"band{number}__in": perceptual_hash.band_neighbours(band)})
    # Not sorted by the database: it would read thousands of rows for the first.
    rows = ShoeImage.objects.filter(near).order_by()
    candidates = []
    for pk, text, mean, stored in rows.values_list("pk", "phash", "colour", "stored_sha256"):
        bits = perceptual_hash.distance(phash, perceptual_hash.from_hex(text))
        if bits <= settings.COPY_HASH_DISTANCE and mean:
            difference = perceptual_hash.colour_distance(colour, tuple(bytes.fromhex(mean)))
            if difference < settings.COPY_COLOUR:
                candidates.append((bits, pk, stored, difference))
    return sorted(candidates)


@lru_cache(CACHED)
def stored_comparison_images(stored_sha256: str) -> registration.ComparisonImages | None:
    """The comparison images of a stored picture; None where it cannot be read."""
    try:
        with storages["media"].open(media_name(stored_sha256)) as file:
            image = Image.open(io.BytesIO(file.read()))
        image.draft("RGB", (DECODED_SIDE, DECODED_SIDE))
        return registration.comparison_images(image.convert("RGB"))
    except OSError:  # not there, or no longer a picture
        return None
