"""The guide as it stands at this moment: every type, read in one query."""

import threading
import time

from django.conf import settings

from curation.models import ShoeType
from curation.models.guide import survivors


class Guide:
    """All labels by slug, with their categories; merges are walked once.

    `families`: {slug: name} of the categories that have types.
    """

    def __init__(self):
        rows = (
            ShoeType.objects.select_related("category")
            .defer("search_terms")
            .order_by("category__position", "category__name", "name")
        )
        self._rows = list(rows)
        standing = survivors(self._rows)
        self._survivors = {row.slug: standing[row.pk] for row in self._rows}
        self.families = {row.category.slug: row.category.name for row in self.types()}

    def survivor(self, slug: str) -> ShoeType | None:
        """The label that stands today for `slug`; None where the guide never had it."""
        return self._survivors.get(slug)

    def type(self, slug: str) -> ShoeType | None:
        """The type of the guide that stands today for `slug`; None for anything else."""
        row = self.survivor(slug)
        return row if row and row.kind == ShoeType.Kind.TYPE else None

    def under(self, row: ShoeType) -> list[ShoeType]:
        """The labels that stand for `row` today: itself and what merged into it."""
        return [other for other in self._rows if self._survivors[other.slug] is row]

    def types(self) -> list[ShoeType]:
        """The types a visitor can meet, family by family: what merged away is left out."""
        return [
            row
            for row in self._rows
            if row.kind == ShoeType.Kind.TYPE and self._survivors[row.slug] is row
        ]


class _Current:
    """The guide that this process read last."""

    def __init__(self):
        self._lock = threading.Lock()
        self._guide, self._read = None, float("-inf")

    def get(self) -> Guide:
        if self._age() >= settings.MODEL_POLL_SECONDS:
            # One thread reads; the others go on with what there is, unless it is old, because
            # nobody asked for hours.
            old = self._age() >= 2 * settings.MODEL_POLL_SECONDS
            if self._lock.acquire(blocking=old):
                try:
                    if self._age() >= settings.MODEL_POLL_SECONDS:
                        began = time.monotonic()
                        self._guide, self._read = Guide(), began
                finally:
                    self._lock.release()
        return self._guide

    def _age(self) -> float:
        return time.monotonic() - self._read


_current = _Current()


def current() -> Guide:
    """The guide as it was twice `MODEL_POLL_SECONDS` ago at most; threads share it, to read only.

    For answers: reading it anew takes half as long as the network does.
    """
    return _current.get()


def forget() -> None:
    """Drop what this process read."""
    _current.__init__()
