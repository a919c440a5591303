"""Copies of a new picture among all that are or ever were here, by perceptual hash and colour."""

from django.conf import settings
from django.db.models import Q

from curation import hashing
from curation.models import ShoeImage


def copy_of(phash: int, colour: tuple[int, int, int]) -> ShoeImage | None:
    """The nearest image within COPY_HASH_DISTANCE bits whose mean colour is within COPY_COLOUR of
    `colour` (sRGB), whatever its state; None where there is none.

    The hash sees luma alone: the same shoe in another colour is no copy.
    """
    near = Q()
    for number, band in enumerate(hashing.bands(phash)):
        near |= Q(**{f"band{number}__in": hashing.band_neighbours(band)})
    # Named in order, or thousands of rows would be sorted to find the first.
    rows = ShoeImage.objects.filter(near).order_by().values_list("pk", "phash", "colour")
    found = [
        (distance, pk)
        for pk, text, mean in rows
        if (distance := hashing.distance(phash, hashing.from_hex(text)))
        <= settings.COPY_HASH_DISTANCE
        and mean
        and hashing.colour_distance(colour, tuple(bytes.fromhex(mean))) < settings.COPY_COLOUR
    ]
    return ShoeImage.objects.get(pk=min(found)[1]) if found else None
