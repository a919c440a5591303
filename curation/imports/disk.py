"""Folders, ZIPs and CSVs on the server's disk."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from curation import images, ingest
from curation.imports import addresses, archive
from curation.imports.entries import (
    NOT_PICTURES,
    Entry,
    LeftOut,
    NothingToImport,
    limited,
    read_rows,
    told,
    with_columns,
)
from curation.imports.source import Source


def source(path: Path, labels: ingest.Labels, labelled: bool) -> Source:
    """The source that a path leads to. `labelled`: a label for all of it is given."""
    if path.is_dir():
        return Folder(path)
    if not path.is_file():
        raise NothingToImport(str(path), "There is no such folder or file on this server.")
    if path.suffix.lower() == ".zip" or zipfile.is_zipfile(path):
        return archive.Archive(open(path, "rb"), str(path), labels, labelled)  # noqa: SIM115
    with open(path, newline="", encoding="utf-8-sig") as text:
        header = next(read_rows(text, str(path)))
    if "url" in header and "path" not in header:
        return addresses.Addresses(lambda: open(path, "rb"), str(path), labelled)
    return Listed(path, labelled)


class Folder(Source):
    """A folder that holds one for each label, whatever lies below that."""

    def __init__(self, root: Path):
        self.root, self.base, self.name = root, root.resolve(), str(root)

    def entries(self) -> list[Entry]:
        """Every file that may be a picture, in order."""
        return limited(self._walk(), self.name)

    def read(self, entry: Entry) -> bytes:
        """The file's bytes, if it lies below the folder and is not too large."""
        return _read_below(self.base, entry.where)

    def _walk(self) -> Iterator[Entry]:
        for path in sorted(self.root.rglob("*")):
            inside = path.relative_to(self.root)
            hidden = any(part.startswith(".") for part in inside.parts)
            if path.is_file() and not hidden and path.suffix.lower() not in NOT_PICTURES:
                label = inside.parts[0] if len(inside.parts) > 1 else ""
                yield Entry(str(inside), label, path)


class Listed(Source):
    """A CSV with the columns path and class; paths are relative to its folder, and stay below."""

    def __init__(self, file: Path, labelled: bool):
        self.file, self.base, self.name = file, file.parent.resolve(), str(file)
        self.columns = ["path"] if labelled else ["path", "class"]

    def entries(self) -> list[Entry]:
        """The CSV's rows."""
        with open(self.file, newline="", encoding="utf-8-sig") as text:
            rows = with_columns(read_rows(text, self.name), self.name, *self.columns)
            return limited((self._entry(row) for row in rows), self.name)

    def read(self, entry: Entry) -> bytes:
        """The file's bytes, if it lies below the CSV's folder and is not too large."""
        return _read_below(self.base, entry.where)

    def _entry(self, row: dict[str, str]) -> Entry:
        name = row.get("path", "")
        return Entry(name, row.get("class", ""), self.base / name, **told(row))


def _read_below(base: Path, path: Path) -> bytes:
    path = path.resolve()
    if not path.is_relative_to(base):
        raise LeftOut("outside", "The path leads out of the folder that is imported.")
    size = path.stat().st_size
    if size > settings.IMAGE_MAX_BYTES:
        raise images.ImageTooLarge(size, settings.IMAGE_MAX_BYTES)
    return path.read_bytes()
