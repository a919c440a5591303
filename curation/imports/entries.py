"""The entries of an import, CSVs that list them, and labels out of folder names."""

import csv
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, TextIO

from django.conf import settings

from curation import ingest
from curation.errors import CurationError

# Suffixes of files among pictures that are silently ignored.
NOT_PICTURES = {".txt", ".md", ".csv", ".json", ".jsonl", ".html", ".ini", ".db"}
ARCHIVES = {".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst"}
# Columns that a CSV may have besides the picture's place and its class.
OPTIONAL_COLUMNS = ("group", "source", "licence", "scene", "title", "page_url", "file_url", "query")
DELIMITERS = ",;\t"

PathParts = tuple[str, ...]  # folders and a name


class NothingToImport(CurationError):
    """There is nothing to import at the place given. `why` is a sentence."""

    name: str
    why: str

    code = "nothing_to_import"
    message = "{name}: {why}"


class EntryRefused(CurationError):
    """An entry is not read. `reason`: a slug, which becomes the code; `why`: a sentence."""

    reason: str
    why: str
    message = "{why}"

    @property
    def code(self) -> str:
        """The reason."""
        return self.reason


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture to bring in, as its source lists it.

    `name`: for people. `location`: what the source reads it by. `refusal`: why it is not read.
    """

    name: str
    label: str
    location: Any = None
    refusal: EntryRefused | None = None
    group: str = ""
    source: str = ""
    licence: str = ""
    scene: str = ""
    title: str = ""
    page_url: str = ""
    file_url: str = ""
    query: str = ""


def optional_fields(row: dict[str, str]) -> dict[str, str]:
    """The optional columns of a CSV's row, as keyword arguments of `Entry`."""
    return {name: row.get(name, "") for name in OPTIONAL_COLUMNS}


def read_rows(text: TextIO, name: str) -> Iterator[dict[str, str]]:
    """Yield the rows of a CSV, by lower-case column; first the header, as a row of empty cells.

    Cells are stripped. The delimiter is a comma, semicolon or tab, whichever the header has most
    of. Raises `NothingToImport` for what is no CSV.
    """
    try:
        first = text.readline()
        delimiter = max(DELIMITERS, key=first.count)
        rows = csv.reader(chain([first], text), delimiter=delimiter)
        header = [_clean(cell).lower() for cell in next(rows, [])]
        yield dict.fromkeys(header, "")
        for row in rows:
            if any(row):
                yield dict(zip(header, map(_clean, row), strict=False))
    except (UnicodeDecodeError, csv.Error) as error:
        raise NothingToImport(name, f"It is no CSV in UTF-8 ({error}).") from error


def require_columns(
    rows: Iterator[dict[str, str]], name: str, *columns: str
) -> Iterator[dict[str, str]]:
    """The rows after the header. Raises `NothingToImport` where it lacks a column."""
    header = next(rows)
    missing = sorted(set(columns) - set(header))
    if missing:
        raise NothingToImport(name, f"The CSV has no column {' and no column '.join(missing)}.")
    return rows


def bounded_list(entries: Iterable[Entry], name: str) -> list[Entry]:
    """The entries as a list. Raises `NothingToImport` for none, or for more than allowed."""
    listed = list(islice(entries, settings.IMPORT_MAX_ENTRIES + 1))
    if len(listed) > settings.IMPORT_MAX_ENTRIES:
        raise too_many_entries(name)
    if not listed:
        raise NothingToImport(
            name, "There are no pictures in it. It needs a folder of pictures for each label."
        )
    return listed


def too_many_entries(name: str) -> NothingToImport:
    """The error for more than IMPORT_MAX_ENTRIES entries."""
    most = settings.IMPORT_MAX_ENTRIES
    return NothingToImport(name, f"It lists more than {most:,} files; import it in parts.")


def labels_from_folders(paths: list[PathParts], labels: ingest.Labels) -> list[str]:
    """The label of each path: the name of its folder at one depth, "" where it has none there.

    The depth is the one at which folders name types most often, the outermost of equals: so a
    folder around everything, or train and valid, are no labels. Where no folder names a type it is
    the first depth at which folders differ.
    """
    known = {folder: labels.get(folder) for path in paths for folder in path[:-1]}
    depths = Counter(
        depth for path in paths for depth, folder in enumerate(path[:-1]) if known[folder]
    )
    if depths:
        level = min(depths, key=lambda depth: (-depths[depth], depth))
    else:
        level = min([common_folders(paths), *(len(path) - 2 for path in paths if len(path) > 1)])
    return [path[level] if len(path) > level + 1 else "" for path in paths]


def common_folders(paths: list[PathParts]) -> int:
    """The number of leading folders that all paths have in common."""
    return len(os.path.commonprefix([path[:-1] for path in paths]))


def _clean(cell: str) -> str:
    # Databases do not store NUL in text.
    return cell.replace("\0", "").strip()
