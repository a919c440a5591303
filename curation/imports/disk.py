"""Import from folders, ZIPs and CSVs on the server's disk."""

import zipfile
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings

from curation import images, ingest
from curation.imports import addresses, archive
from curation.imports.entries import (
    NOT_PICTURES,
    Entry,
    EntryRefused,
    NothingToImport,
    bounded_list,
    optional_fields,
    read_rows,
    require_columns,
)
from curation.imports.source import Source


def source(path: Path, labels: ingest.Labels, labelled: bool) -> Source:
    """The source for a path; raises `NothingToImport`. `labelled`: there is one label for all."""
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
    return CsvOfFiles(path, labelled)


class DiskFiles(Source):
    """Files that must lie below one folder, `base`."""

    base: Path

    def read(self, entry: Entry) -> bytes:
        """The file's bytes. Raises `EntryRefused` outside of the folder, and ImageTooLarge."""
        path = entry.location.resolve()
        if not path.is_relative_to(self.base):
            raise EntryRefused("outside", "The path leads out of the folder that is imported.")
        size = path.stat().st_size
        if size > settings.IMAGE_MAX_BYTES:
            raise images.ImageTooLarge(size, settings.IMAGE_MAX_BYTES)
        return path.read_bytes()


class Folder(DiskFiles):
    """A folder with a folder for each label; deeper folders do not matter."""

    def __init__(self, root: Path):
        self.root, self.base, self.name = root, root.resolve(), str(root)

    def entries(self) -> list[Entry]:
        """Every file that may be a picture, in order."""
        return bounded_list(self._walk(), self.name)

    def _walk(self) -> Iterator[Entry]:
        for path in sorted(self.root.rglob("*")):
            inside = path.relative_to(self.root)
            hidden = any(part.startswith(".") for part in inside.parts)
            if path.is_file() and not hidden and path.suffix.lower() not in NOT_PICTURES:
                label = inside.parts[0] if len(inside.parts) > 1 else ""
                yield Entry(str(inside), label, path)


class CsvOfFiles(DiskFiles):
    """A CSV with the columns path and class. Paths are relative to its folder, and within it."""

    def __init__(self, file: Path, labelled: bool):
        self.file, self.base, self.name = file, file.parent.resolve(), str(file)
        self.columns = ["path"] if labelled else ["path", "class"]

    def entries(self) -> list[Entry]:
        """One entry for each row of the CSV."""
        with open(self.file, newline="", encoding="utf-8-sig") as text:
            rows = require_columns(read_rows(text, self.name), self.name, *self.columns)
            return bounded_list((self._entry(row) for row in rows), self.name)

    def _entry(self, row: dict[str, str]) -> Entry:
        name = row.get("path", "")
        return Entry(name, row.get("class", ""), self.base / name, **optional_fields(row))
