"""Where an import's pictures come from, as one shape."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from curation import ingest
from curation.errors import CurationError
from curation.imports.entries import Entry, LeftOut
from curation.models import ShoeType


@dataclass(frozen=True, slots=True)
class Wanted:
    """An entry whose label is known. `number`: its place in the list, from 1."""

    number: int
    entry: Entry
    label: ShoeType


Found = bytes | ingest.Prepared | CurationError


class Source:
    """A list of entries, and a way to their bytes. A context manager: it may hold files open."""

    name = ""

    def entries(self) -> list[Entry]:
        """What is listed, in a fixed order; raises `NothingToImport`."""
        raise NotImplementedError

    def read(self, entry: Entry) -> bytes:
        """One picture's bytes; raises a `CurationError`, or an OSError."""
        raise NotImplementedError

    def fetch(
        self, wanted: Iterable[Wanted], idle: Callable[[], None]
    ) -> Iterator[tuple[Wanted, Found]]:
        """Each with its bytes, or with why there are none, in the order of `wanted`.

        `idle` is called now and then while this waits.
        """
        for item in wanted:
            yield item, self._try(item.entry)

    def _try(self, entry: Entry) -> Found:
        try:
            return self.read(entry)
        except CurationError as error:
            return error
        except FileNotFoundError:
            return LeftOut("unreadable", "There is no such file.")
        except OSError as error:
            return LeftOut("unreadable", f"The file cannot be read: {error.strerror}.")

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_) -> None:
        """Release what is held open."""
