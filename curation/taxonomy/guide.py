"""The guide: every label with its category, read in one query and cached."""

import threading
import time

from django.conf import settings

from curation.models import ShoeType
from curation.models.guide import survivors_by_slug


class Guide:
    """All labels, and the one that stands today for each slug. `families`: slug → name of the
    categories that have types."""

    def __init__(self):
        self._rows = list(
            ShoeType.objects.select_related("category")
            .defer("search_terms")
            .order_by("category__position", "category__name", "name")
        )
        self._survivors = survivors_by_slug(self._rows)
        self.families = {row.category.slug: row.category.name for row in self.types()}

    def survivor(self, slug: str) -> ShoeType | None:
        """The label that stands today for `slug`; None for an unknown slug."""
        return self._survivors.get(slug)

    def type(self, slug: str) -> ShoeType | None:
        """The type of the guide that stands today for `slug`; None for anything else."""
        row = self.survivor(slug)
        return row if row and row.kind == ShoeType.Kind.TYPE else None

    def under(self, row: ShoeType) -> list[ShoeType]:
        """The labels for which `row` stands today: itself, and those merged into it."""
        return [other for other in self._rows if self._survivors[other.slug] is row]

    def types(self) -> list[ShoeType]:
        """The types of the guide that are not merged into others, by category."""
        return [
            row
            for row in self._rows
            if row.kind == ShoeType.Kind.TYPE and self._survivors[row.slug] is row
        ]


class _Cache:
    """The guide that this process read last."""

    def __init__(self):
        self._lock = threading.Lock()
        self.forget()

    def current(self) -> Guide:
        """The guide, at most twice `MODEL_POLL_SECONDS` old; threads share it, so do not change it.

        For answers: reading it for each takes half as long as the network.
        """
        if self._age() >= settings.MODEL_POLL_SECONDS:
            # One thread reads; the others use the guide they have, unless it is too old.
            too_old = self._age() >= 2 * settings.MODEL_POLL_SECONDS
            if self._lock.acquire(blocking=too_old):
                try:
                    if self._age() >= settings.MODEL_POLL_SECONDS:
                        before = time.monotonic()
                        self._guide, self._read_at = Guide(), before
                finally:
                    self._lock.release()
        return self._guide

    def forget(self) -> None:
        """Read the guide anew at the next call of `current`."""
        self._guide, self._read_at = None, float("-inf")

    def _age(self) -> float:
        return time.monotonic() - self._read_at


_cache = _Cache()
current, forget = _cache.current, _cache.forget
