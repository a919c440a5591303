"""The limits on stored pictures: the installation's quota and free disk space."""

import shutil

from django.conf import settings
from django.db.models import Sum

from curation.models import ShoeImage
from shoeproject.jobs import Paused

RECOUNT_AFTER = 200  # pictures; then those that other workers stored are counted, too


class StorageQuota:
    """Checks quota and disk before each picture; counts what is stored only now and then."""

    def __init__(self):
        self._count()

    def add(self, size: int) -> None:
        """Count a picture of `size` bytes that was stored."""
        self.used, self.since_count = self.used + size, self.since_count + 1
        if self.since_count >= RECOUNT_AFTER:
            self._count()

    def check(self) -> None:
        """Raises `Paused` where the quota is used up or the disk nearly full."""
        if settings.MEDIA_QUOTA_MB and self.used >= settings.MEDIA_QUOTA_MB * 1024**2:
            raise Paused(
                f"The pictures take all of their {settings.MEDIA_QUOTA_MB} MB. Purge some or raise "
                "MEDIA_QUOTA_MB, then resume."
            )
        free = settings.MIN_FREE_MB * 1024**2
        if self.since_count == 0 and shutil.disk_usage(settings.VAR_DIR).free < free:
            raise Paused(
                f"Less than {settings.MIN_FREE_MB} MB are free on the disk of {settings.VAR_DIR}. "
                "Make room, then resume."
            )

    def _count(self) -> None:
        self.used = ShoeImage.objects.aggregate(all=Sum("stored_bytes"))["all"] or 0
        self.since_count = 0
