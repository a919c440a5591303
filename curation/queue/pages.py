"""Pages of the queue: the next images that matter most and are on nobody else's page."""

from dataclasses import dataclass
from math import isfinite

from django.conf import settings
from django.db.models import Exists, OuterRef, Q

from curation.queue.cards import cards
from curation.queue.claims import by_others, claim
from curation.queue.filter import Filter, QueueError

# Somebody else may take a page between the look at it and the claim; then the next is tried.
TRIES = 5


@dataclass(frozen=True)
class Cursor:
    """A place in the order of the queue: right behind the image with this priority and key."""

    priority: float
    pk: int

    @classmethod
    def parse(cls, text: str) -> "Cursor":
        """What `str` wrote. `QueueError` where it did not."""
        priority, _, pk = text.rpartition("_")
        try:
            place = cls(float(priority), int(pk))
        except ValueError as error:
            raise QueueError("place", text) from error
        if not (isfinite(place.priority) and 0 <= place.pk < 2**63):
            raise QueueError("place", text)
        return place

    def __str__(self):
        return f"{self.priority!r}_{self.pk}"

    def behind(self) -> Q:
        """The images that come later."""
        later = Q(priority__lt=self.priority) | Q(id__gt=self.pk)
        # The first half alone is what an index can be entered by.
        return Q(priority__lte=self.priority) & later


@dataclass(frozen=True)
class Page:
    """Cards, where the next page begins (None: nowhere), and how many images of the view are on
    other people's pages."""

    cards: list[dict]
    after: Cursor | None
    claimed: int


def page(chosen: Filter, by=None, after: Cursor | None = None, size: int | None = None) -> Page:
    """The next page, claimed for `by`; for nobody it is only looked at."""
    size = settings.QUEUE_PAGE_SIZE if size is None else size
    others = by_others(by)
    images = chosen.images().exclude(Exists(others.filter(image=OuterRef("pk"))))
    for _ in range(TRIES):
        rest = images.filter(after.behind()) if after else images
        found = list(rest.values_list("pk", "priority")[: size + 1])
        given, more = found[:size], len(found) > size
        after = Cursor(given[-1][1], given[-1][0]) if more else None
        pks = [pk for pk, _ in given]
        mine = claim(pks, by) if by and pks else set(pks)
        if mine or not more:
            break
    claimed = chosen.images().order_by().filter(pk__in=others.values("image")).count()
    return Page(cards(pk for pk in pks if pk in mine), after, claimed)
