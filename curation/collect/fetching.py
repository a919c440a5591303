"""Addresses → prepared pictures, ahead of whoever decides on them, within the settings' bounds."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import TypeVar

from django.conf import settings

from curation import ingest
from curation.collect.limits import downloader_limits
from curation.download import Downloader, ahead
from curation.errors import CurationError
from shoeproject.jobs import Paused

T = TypeVar("T")


class Fetching:
    """A downloader and room for decoding. A context manager: leaving it ends what is under way."""

    def __init__(self):
        self._downloader = Downloader(downloader_limits(), settings.COLLECT_WORKERS)
        self._limits = ingest.limits()
        # Whatever the number of downloads: a decoded picture may take hundreds of megabytes.
        self._decoding = threading.BoundedSemaphore(os.cpu_count() or 1)

    def __enter__(self) -> "Fetching":
        return self

    def __exit__(self, *_) -> None:
        """Release connections and threads."""
        self._downloader.close()

    def ahead(
        self, items: Iterable[T], url: Callable[[T], str], idle: Callable[[], None]
    ) -> Iterator[tuple[T, ingest.Prepared | CurationError]]:
        """Each item with its picture, or with why there is none, in the items' order.

        `items` is drawn from here, `url` is asked in other threads too, and `idle` is called now
        and then while this waits. Raises `Paused` where the disk takes no more.
        """
        results = ahead(
            items, lambda item: self._prepare(url(item)),
            host=lambda item: ingest.domain_of(url(item)),
            workers=settings.COLLECT_WORKERS, per_host=settings.COLLECT_PER_HOST,
            window=settings.COLLECT_WINDOW, idle=idle, stop=self._downloader.close,
        )  # fmt: skip
        with closing(results):
            for item, found in results:
                if isinstance(found, OSError):
                    raise Paused(f"A picture could not be kept: {found}. Make room, then resume.")
                if isinstance(found, Exception) and not isinstance(found, CurationError):
                    raise found
                yield item, found

    def _prepare(self, url: str) -> ingest.Prepared:
        """In a thread of its own, without the database."""
        with self._downloader.fetch(url) as fetched:
            data = fetched.read()
        with self._decoding:
            return ingest.prepare(data, self._limits)
