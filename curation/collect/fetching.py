"""Download and prepare pictures in threads, within the bounds of the settings."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, closing
from typing import TypeVar

from django.conf import settings

from curation import ingest
from curation.collect.configuration import download_limits
from curation.download.fetch import Downloader
from curation.download.pool import map_per_host
from curation.errors import CurationError
from shoeproject.jobs import Paused

T = TypeVar("T")


class Fetcher(AbstractContextManager):
    """Downloads pictures and decodes them. A context manager: leaving it ends what is under way."""

    def __init__(self):
        self._downloader = Downloader(download_limits(), settings.COLLECT_WORKERS)
        # Fewer than downloads, because a decoded picture may take hundreds of megabytes.
        self._decoding = threading.BoundedSemaphore(os.cpu_count() or 1)

    def __exit__(self, *_) -> None:
        self._downloader.close()

    def fetch(
        self, items: Iterable[T], url: Callable[[T], str], idle: Callable[[], None]
    ) -> Iterator[tuple[T, ingest.Prepared | CurationError]]:
        """Yield each item with its prepared picture, or with the error, in the items' order.

        Downloads run ahead of the caller. `items` is iterated in the caller's thread, `url` is
        called in others, too, and `idle` at least every second while this waits. Raises `Paused`
        where the disk is full.
        """
        results = map_per_host(
            items, lambda item: self._prepare(url(item)),
            host=lambda item: ingest.domain_of(url(item)),
            workers=settings.COLLECT_WORKERS, per_host=settings.COLLECT_PER_HOST,
            window=settings.COLLECT_WINDOW, idle=idle, stop=self._downloader.close,
        )  # fmt: skip
        with closing(results):
            for item, result in results:
                if isinstance(result, OSError):
                    raise Paused(f"A picture could not be kept: {result}. Make room, then resume.")
                if isinstance(result, Exception) and not isinstance(result, CurationError):
                    raise result
                yield item, result

    def _prepare(self, url: str) -> ingest.Prepared:
        """Runs in other threads, so without the database."""
        with self._downloader.fetch(url) as file:
            data = file.read()
        with self._decoding:
            return ingest.prepare(data, ingest.limits())
