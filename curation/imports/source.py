"""The interface of what pictures are imported from."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from curation import ingest
from curation.errors import CurationError
from curation.imports.entries import Entry, EntryRefused
from curation.models import ShoeType


@dataclass(frozen=True, slots=True)
class EntryToFetch:
    """An entry whose label is known. `number`: its place in the list, from 1."""

    number: int
    entry: Entry
    label: ShoeType


FetchResult = bytes | ingest.Prepared | CurationError


class Source(AbstractContextManager):
    """Lists entries and reads their bytes. A context manager, because it may hold files open."""

    def entries(self) -> list[Entry]:
        """All entries, in a fixed order. Raises `NothingToImport`."""
        raise NotImplementedError

    def read(self, entry: Entry) -> bytes:
        """One picture's bytes. Raises `CurationError` or OSError."""
        raise NotImplementedError

    def fetch(
        self, items: Iterable[EntryToFetch], idle: Callable[[], None]
    ) -> Iterator[tuple[EntryToFetch, FetchResult]]:
        """Yield each entry with its bytes, or with the error, in order.

        `idle` is called now and then while this waits.
        """
        for item in items:
            try:
                result = self.read(item.entry)
            except CurationError as error:
                result = error
            except FileNotFoundError:
                result = EntryRefused("unreadable", "There is no such file.")
            except OSError as error:
                result = EntryRefused("unreadable", f"The file cannot be read: {error.strerror}.")
            yield item, result

    def __exit__(self, *_) -> None:
        """Close open files; there are none here."""
