"""Import from a CSV of web addresses: downloads run ahead, results come in the CSV's order."""

import io
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from curation.collect.fetching import Fetcher
from curation.imports.entries import (
    Entry,
    bounded_list,
    optional_fields,
    read_rows,
    require_columns,
)
from curation.imports.source import EntryToFetch, FetchResult, Source


class Addresses(Source):
    """A CSV with the columns url and class.

    `open_file` opens the CSV in binary mode. `labelled`: the import has one label for all, so the
    column class is not needed.
    """

    def __init__(self, open_file: Callable[[], BinaryIO], name: str, labelled: bool):
        self.open_file, self.name = open_file, name
        self.columns = ["url"] if labelled else ["url", "class"]

    def entries(self) -> list[Entry]:
        """One entry for each row of the CSV."""
        with self.open_file() as file:
            text = io.TextIOWrapper(file, "utf-8-sig", newline="")
            rows = require_columns(read_rows(text, self.name), self.name, *self.columns)
            return bounded_list(map(_entry, rows), self.name)

    def fetch(
        self, items: Iterable[EntryToFetch], idle: Callable[[], None]
    ) -> Iterator[tuple[EntryToFetch, FetchResult]]:
        """Download and prepare the pictures in threads."""
        with Fetcher() as fetcher:
            yield from fetcher.fetch(items, lambda item: item.entry.file_url, idle)


def _entry(row: dict[str, str]) -> Entry:
    url = row.get("url", "")
    return Entry(
        url or "(no address)", row.get("class", ""), **optional_fields(row) | {"file_url": url}
    )
