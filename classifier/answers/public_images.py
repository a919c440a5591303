"""The curators' photographs that everybody may see: confirmed examples under a free licence.

All others stay private. It is checked again for every picture that is sent.
"""

from django.conf import settings
from django.db.models import Q, QuerySet

from curation.models import ShoeImage, ShoeType

# Never shown, whatever the setting allows: an unknown licence is no permission.
NOT_STATED = ("unknown", "none")


def images() -> QuerySet[ShoeImage]:
    """The photographs that may be shown: confirmed to be a type, with a file, under a licence of
    `EXPLAIN_LICENCES`, and not given by a visitor, who agreed to training alone."""
    allowed = Q(pk__in=[])
    for pattern in filter(None, map(str.strip, settings.EXPLAIN_LICENCES)):
        if pattern.endswith("*"):
            allowed |= Q(licence__istartswith=pattern[:-1])
        else:
            allowed |= Q(licence__iexact=pattern)
    for word in NOT_STATED:
        allowed &= ~Q(licence__istartswith=word)
    confirmed = ShoeImage.objects.filter(
        allowed, state=ShoeImage.State.CONFIRMED, label__kind=ShoeType.Kind.TYPE, consent=""
    )
    return confirmed.exclude(stored_sha256="").exclude(licence="").order_by()


def find(stored_sha256: str) -> ShoeImage | None:
    """The photograph with this file, if it may be shown."""
    # In two steps, because SQLite would scan all confirmed images and not use the digest's index.
    rows = ShoeImage.objects.filter(stored_sha256=stored_sha256).order_by()
    return images().filter(pk__in=list(rows.values_list("pk", flat=True))).first()
