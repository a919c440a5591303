"""Items in lists of bounded length: a database takes only so many values in one query. Pure."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
BATCH_SIZE = 500


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    """Yield the items in order, in lists of at most `BATCH_SIZE`."""
    items = iter(items)
    while part := list(islice(items, BATCH_SIZE)):
        yield part
