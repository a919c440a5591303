"""Relabel every image of a filter, after a preview of what that changes."""

import uuid
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.db.models import Count

from curation.decisions import decide, history
from curation.errors import CurationError
from curation.models import ShoeImage, ShoeType

State = ShoeImage.State


class BulkChanged(CurationError):
    """The images that would change are no longer those of the preview; `now` would."""

    now: int
    code = "bulk_changed"
    message = (
        "Somebody has changed some of these images; {now} would get the label now. "
        "Nothing was changed. Look at the numbers again."
    )


class BulkTooLarge(CurationError):
    """More images than one change may have: other people's decisions wait meanwhile."""

    images: int
    limit: int
    code = "bulk_too_large"
    message = "{images} images are more than {limit} at once. Narrow the filter; do it in parts."


@dataclass(frozen=True)
class Part:
    """How many images have one label (None for none) and one state."""

    label: ShoeType | None
    state: str
    images: int


@dataclass(frozen=True)
class Preview:
    """What a bulk change would do.

    `parts`: the images that would change, most first; `images`: how many; `confirmed`: how many of
    them are confirmed; `unchanged`: how many have the label already; `expected`: the fingerprint
    to pass to `relabel`.
    """

    label: ShoeType
    parts: list[Part]
    images: int
    confirmed: int
    unchanged: int
    expected: str


def preview(images, label: ShoeType) -> Preview:
    """Preview giving `label` to these images (a queryset). Raises `BulkTooLarge`."""
    label = label.survivor()
    chosen = history.with_picture(images)
    change = chosen.exclude(label=label)
    counts = change.values("label", "state").annotate(images=Count("pk")).order_by("-images")
    types = ShoeType.objects.in_bulk()
    _check_size(change)
    parts = [Part(types.get(row["label"]), row["state"], row["images"]) for row in counts]
    return Preview(
        label=label,
        parts=parts,
        images=sum(part.images for part in parts),
        confirmed=sum(part.images for part in parts if part.state == State.CONFIRMED),
        unchanged=chosen.filter(label=label).count(),
        expected=history.fingerprint(change.values_list("pk", "label", "state")),
    )


@transaction.atomic
def relabel(images, label: ShoeType, by, expected: str, note="") -> uuid.UUID | None:
    """Give `label` to every image of a queryset; states stay. Returns the batch.

    Raises `BulkTooLarge`, and `BulkChanged` where other images would change than those of the
    preview whose `expected` is given; then nothing is changed.
    """
    label = label.survivor()
    change = history.with_picture(images).exclude(label=label)
    _check_size(change)
    history.lock_images(change.values_list("pk", flat=True))
    now = list(change.values_list("pk", "label", "state"))
    if history.fingerprint(now) != expected:
        raise BulkChanged(len(now))
    images = [row[0] for row in now]
    return decide.decide("relabel", images, by, label=label, note=note, looked=False).batch


def _check_size(images) -> None:
    if (number := images.count()) > settings.BULK_MOST:
        raise BulkTooLarge(number, settings.BULK_MOST)
