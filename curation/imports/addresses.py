"""A CSV of web addresses: downloaded ahead, handed out in its order."""

import io
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import BinaryIO

from django.conf import settings

from curation import ingest
from curation.collect import downloader_limits
from curation.download import Downloader, ahead
from curation.errors import CurationError
from curation.imports.entries import Entry, limited, read_rows, told, with_columns
from curation.imports.source import Found, Source, Wanted


class Addresses(Source):
    """A CSV with the columns url and class. `open_file` gives its bytes, as often as it is called.
    `labelled`: a label for all of it is given, so class is not needed."""

    def __init__(self, open_file: Callable[[], BinaryIO], name: str, labelled: bool):
        self.open_file, self.name = open_file, name
        self.columns = ["url"] if labelled else ["url", "class"]

    def entries(self) -> list[Entry]:
        """The CSV's rows."""
        with self.open_file() as file:
            text = io.TextIOWrapper(file, "utf-8-sig", newline="")
            rows = with_columns(read_rows(text, self.name), self.name, *self.columns)
            return limited(map(_entry, rows), self.name)

    def fetch(
        self, wanted: Iterable[Wanted], idle: Callable[[], None]
    ) -> Iterator[tuple[Wanted, Found]]:
        """Each downloaded and prepared, in a bounded number of threads."""
        within = ingest.limits()
        # A decoded picture takes far more memory than its file, and decoding no waiting.
        decoding = threading.BoundedSemaphore(os.cpu_count() or 1)

        def work(item: Wanted) -> ingest.Prepared:
            with downloader.fetch(item.entry.file_url) as fetched:
                data = fetched.read()
            with decoding:
                return ingest.prepare(data, within)

        with Downloader(downloader_limits(), settings.COLLECT_WORKERS) as downloader:
            results = ahead(
                wanted, work, host=lambda item: ingest.domain_of(item.entry.file_url),
                workers=settings.COLLECT_WORKERS, per_host=settings.COLLECT_PER_HOST,
                window=settings.COLLECT_WINDOW, idle=idle, stop=downloader.close,
            )  # fmt: skip
            with closing(results):
                for item, found in results:
                    if isinstance(found, Exception) and not isinstance(found, CurationError):
                        raise found
                    yield item, found


def _entry(row: dict[str, str]) -> Entry:
    url = row.get("url", "")
    return Entry(url or "(no address)", row.get("class", ""), **{**told(row), "file_url": url})
