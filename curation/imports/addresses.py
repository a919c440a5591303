"""A CSV of web addresses: downloaded ahead, handed out in its order."""

import io
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from curation.collect import Fetching
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
        with Fetching() as fetching:
            yield from fetching.ahead(wanted, lambda item: item.entry.file_url, idle)


def _entry(row: dict[str, str]) -> Entry:
    url = row.get("url", "")
    return Entry(url or "(no address)", row.get("class", ""), **{**told(row), "file_url": url})
