"""Whether there is room for more pictures."""

import shutil

from django.conf import settings
from django.db.models import Sum

from curation.models import ShoeImage
from shoeproject.jobs import Paused

AGAIN = 200  # pictures after which others' are counted, too


class Room:
    """The installation's quota and disk, asked before every picture, counted now and then."""

    def __init__(self):
        self._count()

    def take(self, size: int) -> None:
        """A picture of `size` bytes came in."""
        self.used, self.since = self.used + size, self.since + 1
        if self.since >= AGAIN:
            self._count()

    def check(self) -> None:
        """Raises `Paused` where the quota is used up or the disk nearly full."""
        if settings.MEDIA_QUOTA_MB and self.used >= settings.MEDIA_QUOTA_MB * 1024**2:
            raise Paused(
                f"The pictures take all of their {settings.MEDIA_QUOTA_MB} MB. Purge some or raise "
                "MEDIA_QUOTA_MB, then resume."
            )
        if self.since == 0 and shutil.disk_usage(settings.VAR_DIR).free < self.spare:
            raise Paused(
                f"Less than {settings.MIN_FREE_MB} MB are free on the disk of {settings.VAR_DIR}. "
                "Make room, then resume."
            )

    def _count(self) -> None:
        self.used = ShoeImage.objects.aggregate(all=Sum("stored_bytes"))["all"] or 0
        self.since, self.spare = 0, settings.MIN_FREE_MB * 1024**2
