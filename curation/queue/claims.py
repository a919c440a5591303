"""Claims: images on one person's page are left out of other people's pages for a while."""

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from curation.models import QueueClaim, ShoeImage


def claim(image_ids: Iterable[int], by) -> set[int]:
    """Claim images for this person; returns those that are claimed now.

    Where two people claim an image at once, one of them gets it. Expired claims are taken over,
    own ones renewed.
    """
    image_ids = sorted(image_ids)  # one order, so that two people cannot wait for each other
    now = timezone.now()
    until = now + timedelta(seconds=settings.QUEUE_CLAIM_SECONDS)
    rows = QueueClaim.objects.filter(image__in=image_ids)
    free = Q(by=by) | Q(until__lte=now)
    with transaction.atomic():
        # Locked one by one in that order; a row that somebody else took meanwhile is left out.
        available = rows.filter(free).order_by("image_id").select_for_update()
        rows.filter(image__in=[row.image_id for row in available]).update(by=by, until=until)
        new = [QueueClaim(image_id=pk, by=by, until=until) for pk in image_ids]
        QueueClaim.objects.bulk_create(new, ignore_conflicts=True)
    return set(rows.filter(by=by, until__gt=now).values_list("image", flat=True))


def renew(by, image_ids: Iterable[int]) -> int:
    """Renew this person's claims on these images; returns how many are claimed.

    Expired claims are renewed too, unless somebody else has the image.
    """
    known = ShoeImage.objects.filter(pk__in=list(image_ids)).values_list("pk", flat=True)
    return len(claim(known, by))


def release(by, image_ids: Iterable[int] | None = None) -> int:
    """Release this person's claims on these images, or on all; returns how many those were."""
    held = QueueClaim.objects.filter(by=by)
    if image_ids is not None:
        held = held.filter(image__in=list(image_ids))
    return held.delete()[0]


def by_others(by):
    """Claims of other people that have not expired."""
    valid = QueueClaim.objects.filter(until__gt=timezone.now())
    return valid.exclude(by=by) if by else valid
