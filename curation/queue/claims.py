"""Images on somebody's page, left out of everybody else's for a while."""

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from curation.models import QueueClaim, ShoeImage


def claim(image_ids: Iterable[int], by) -> set[int]:
    """Put images on this person's page; returns those that are there now.

    Two people may ask for one image at once: one of them gets it. Claims that ran out are taken
    over, own ones renewed.
    """
    image_ids = sorted(image_ids)  # one order, so that two people cannot wait for each other
    now = timezone.now()
    until = now + timedelta(seconds=settings.QUEUE_CLAIM_SECONDS)
    rows = QueueClaim.objects.filter(image__in=image_ids)
    free = Q(by=by) | Q(until__lte=now)
    with transaction.atomic():
        # Locked one by one in that order; what somebody takes in between no longer matches.
        held = rows.filter(free).order_by("image_id").select_for_update()
        mine = list(held.values_list("image", flat=True))
        QueueClaim.objects.filter(image__in=mine).update(by=by, until=until)
        new = [QueueClaim(image_id=pk, by=by, until=until) for pk in image_ids]
        QueueClaim.objects.bulk_create(new, ignore_conflicts=True)
    return set(rows.filter(by=by, until__gt=now).values_list("image", flat=True))


def renew(by, image_ids: Iterable[int]) -> int:
    """Keep what is on this person's page there a while longer; returns how many that are.

    What nobody else took meanwhile comes back as well.
    """
    known = ShoeImage.objects.filter(pk__in=list(image_ids)).values_list("pk", flat=True)
    return len(claim(known, by))


def release(by, image_ids: Iterable[int] | None = None) -> int:
    """Let everybody have these images again, or all that this person holds; how many that were."""
    held = QueueClaim.objects.filter(by=by)
    if image_ids is not None:
        held = held.filter(image__in=list(image_ids))
    return held.delete()[0]


def by_others(by):
    """The claims of everybody else that still run."""
    running = QueueClaim.objects.filter(until__gt=timezone.now())
    return running.exclude(by=by) if by else running
