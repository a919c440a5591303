"""What an import lists: its entries, CSVs that name them, folders that label them."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, TextIO

from django.conf import settings

from curation import ingest
from curation.errors import CurationError

# File names nobody means as pictures when they lie among pictures.
NOT_PICTURES = {".txt", ".md", ".csv", ".json", ".jsonl", ".html", ".ini", ".db"}
ARCHIVES = {".zip", ".7z", ".rar", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst"}
# What a CSV may tell of a picture besides where it is and what it shows.
TOLD = ("group", "source", "licence", "scene", "title", "page_url", "file_url", "query")
DELIMITERS = ",;\t"

Path = tuple[str, ...]  # folders and a name


class NothingToImport(CurationError):
    """What was named is no folder, ZIP or CSV of pictures. `why` is a sentence."""

    name: str
    why: str

    code = "nothing_to_import"
    message = "{name}: {why}"


class LeftOut(CurationError):
    """One entry that is not read, for the reason that `code` and `why` (a sentence) give."""

    reason: str
    why: str
    message = "{why}"

    @property
    def code(self) -> str:
        """The reason as a slug."""
        return self.reason


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture to bring in, as its source lists it.

    `name`: for people. `where`: what the source reads it by. `left_out`: why it will not be read.
    """

    name: str
    label: str
    where: Any = None
    left_out: LeftOut | None = None
    group: str = ""
    source: str = ""
    licence: str = ""
    scene: str = ""
    title: str = ""
    page_url: str = ""
    file_url: str = ""
    query: str = ""


def told(row: dict[str, str]) -> dict[str, str]:
    """What a CSV's row tells of a picture, as an entry's keywords."""
    return {name: row.get(name, "") for name in TOLD}


def read_rows(text: TextIO, name: str) -> Iterator[dict[str, str]]:
    """The rows of a CSV with a header, by lower-case column; cells are stripped.

    Commas, semicolons or tabs separate them, whichever the header has most of. Raises
    `NothingToImport` for what is no CSV.
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


def with_columns(
    rows: Iterator[dict[str, str]], name: str, *columns: str
) -> Iterator[dict[str, str]]:
    """The rows behind the header; raises `NothingToImport` where it lacks a column."""
    header = next(rows)
    missing = sorted(set(columns) - set(header))
    if missing:
        raise NothingToImport(name, f"The CSV has no column {' and no column '.join(missing)}.")
    return rows


def limited(entries: Iterable[Entry], name: str) -> list[Entry]:
    """The entries as a list; raises `NothingToImport` for none, or for more than allowed."""
    listed = []
    for entry in entries:
        if len(listed) == settings.IMPORT_MAX_ENTRIES:
            raise too_many(name)
        listed.append(entry)
    if not listed:
        raise NothingToImport(
            name, "There are no pictures in it. It needs a folder of pictures for each label."
        )
    return listed


def too_many(name: str) -> NothingToImport:
    """The refusal of a list that is too long."""
    most = settings.IMPORT_MAX_ENTRIES
    return NothingToImport(name, f"It lists more than {most:,} files; import it in parts.")


def labels_of(paths: list[Path], labels: ingest.Labels) -> list[str]:
    """What each path's folders say it shows; "" where it lies in none at that depth.

    The folders that name types most often are the labels, the outer ones where it is a draw: so a
    folder around everything, or train and valid, are no labels. Where none names a type they are
    the first folders that differ.
    """
    known = {folder: _known(labels, folder) for path in paths for folder in path[:-1]}
    depths = Counter(
        depth for path in paths for depth, folder in enumerate(path[:-1]) if known[folder]
    )
    if depths:
        cut = min(depths, key=lambda depth: (-depths[depth], depth))
    else:
        cut = min([shared(paths), *(len(path) - 2 for path in paths if len(path) > 1)])
    return [path[cut] if len(path) > cut + 1 else "" for path in paths]


def shared(paths: list[Path]) -> int:
    """How many folders all of the paths begin with."""
    first, last = (min(paths)[:-1], max(paths)[:-1]) if paths else ((), ())
    return next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b),
                min(len(first), len(last)))  # fmt: skip


def _known(labels: ingest.Labels, label: str) -> bool:
    try:
        return bool(labels[label])
    except KeyError:
        return False


def _clean(cell: str) -> str:
    # A database keeps no NUL in text.
    return cell.replace("\0", "").strip()
