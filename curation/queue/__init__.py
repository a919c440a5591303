"""What needs a look, and in which order: filter, facets, pages that are one person's for a while.

Knows no request: `curation.admin.queue` shows it.
"""

from curation.queue.cards import cards
from curation.queue.claims import release, renew
from curation.queue.copies import Copies, copies, keep_all
from curation.queue.facets import Facet, Facets, Value, facets, find
from curation.queue.filter import FACETS, Filter, QueueError
from curation.queue.labels import definition, labels
from curation.queue.pages import Cursor, Page, page
from curation.queue.steps import undo

__all__ = [
    "FACETS",
    "Copies",
    "Cursor",
    "Facet",
    "Facets",
    "Filter",
    "Page",
    "QueueError",
    "Value",
    "cards",
    "copies",
    "definition",
    "facets",
    "find",
    "keep_all",
    "labels",
    "page",
    "release",
    "renew",
    "undo",
]
