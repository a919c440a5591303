"""Pages of the queue: the images of highest priority that are on nobody else's page."""

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Exists, OuterRef

from curation.queue.cards import build_cards
from curation.queue.claims import by_others, claim
from curation.queue.cursor import Cursor
from curation.queue.filter import Filter

# Somebody else may claim a page between the query and our claim; then the next page is tried.
TRIES = 5


@dataclass(frozen=True)
class Page:
    """Cards, where the next page begins (None at the end), and how many images of the filter are
    on other people's pages."""

    cards: list[dict]
    after: Cursor | None
    claimed: int


def next_page(
    filter: Filter, by=None, after: Cursor | None = None, size: int | None = None
) -> Page:
    """The next page, claimed for the person `by`; without one nothing is claimed."""
    size = settings.QUEUE_PAGE_SIZE if size is None else size
    others = by_others(by)
    images = filter.images().exclude(Exists(others.filter(image=OuterRef("pk"))))
    for _ in range(TRIES):
        rest = images.filter(after.later()) if after else images
        rows = list(rest.values_list("pk", "priority")[: size + 1])
        more = len(rows) > size
        image_ids = [pk for pk, _ in rows[:size]]
        after = Cursor(rows[size - 1][1], rows[size - 1][0]) if more else None
        mine = claim(image_ids, by) if by and image_ids else set(image_ids)
        if mine or not more:
            break
    claimed = filter.images().order_by().filter(pk__in=others.values("image")).count()
    return Page(build_cards(pk for pk in image_ids if pk in mine), after, claimed)
