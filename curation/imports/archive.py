"""Import from a ZIP that may be hostile: checked before it is read, never unpacked to disk.

1. The entries of the central directory are counted before Python's zipfile makes an object of each:
   a file of some megabytes can list millions.
2. The total unpacked size, as declared, is limited, and so is its ratio to the file's size.
3. An entry is read as a stream with a limit; zipfile returns no more than was declared and compares
   the checksum, so an entry that declares a wrong size counts as damaged.
4. Names are used as labels and in the report alone. Names that are no plain path are refused.
"""

import io
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from django.conf import settings

from curation import images, ingest
from curation.imports.entries import (
    ARCHIVES,
    NOT_PICTURES,
    Entry,
    EntryRefused,
    NothingToImport,
    PathParts,
    bounded_list,
    common_folders,
    labels_from_folders,
    optional_fields,
    read_rows,
    require_columns,
    too_many_entries,
)
from curation.imports.source import Source

ENCRYPTED = 0x1  # bit of an entry's flags
NOT_PICTURES_OR_CSV = NOT_PICTURES - {".csv"}
COMPRESSIONS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
DIRECTORY_ENTRY = 46  # bytes, before the name
ZIP64_END = 76  # bytes between a ZIP64's directory and its last end record
# Errors of zipfile and the decompressors for damage; OSError for offsets before the file's start.
DAMAGED = (
    OSError,
    zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OverflowError, struct.error,
)  # fmt: skip
ODD_NAME = re.compile(r"[\x00-\x1f\x7f]|^/|^[A-Za-z]:|(^|/)\.\.(/|$)")


class Archive(Source):
    """A ZIP with a folder for each label, or with a CSV (path, class) at its top.

    `file` is seekable and closed with this. `labelled`: the import has one label for all.
    """

    def __init__(self, file: BinaryIO, name: str, labels: ingest.Labels, labelled: bool):
        self.file, self.name, self.labels, self.labelled = file, name, labels, labelled
        try:
            self._zip = _open(file, name)
        except BaseException:
            file.close()
            raise

    def __exit__(self, *_) -> None:
        self._zip.close()
        self.file.close()

    def entries(self) -> list[Entry]:
        """The pictures, and the entries that are refused unread, in the order of the archive."""
        files = list(self._files())
        entries = self._entries_of_csv(files)
        if entries is None:
            pictures = [file for file in files if not _has_suffix(file[1], NOT_PICTURES)]
            readable = [parts for _, parts, refusal in pictures if refusal is None]
            labels = dict(zip(readable, labels_from_folders(readable, self.labels), strict=True))
            entries = (
                Entry("/".join(parts), labels.get(parts, ""), info, refusal)
                for info, parts, refusal in pictures
            )
        return bounded_list(entries, self.name)

    def read(self, entry: Entry) -> bytes:
        """The entry's bytes, decompressed."""
        info = entry.location
        if info is None:
            raise EntryRefused("unreadable", "There is no such file in the ZIP.")
        if info.file_size > settings.IMAGE_MAX_BYTES:
            raise images.ImageTooLarge(info.file_size, settings.IMAGE_MAX_BYTES)
        try:
            with self._zip.open(info) as stream:
                return stream.read(settings.IMAGE_MAX_BYTES + 1)
        except (NotImplementedError, *DAMAGED):
            raise EntryRefused(
                "damaged", "The file is damaged in the ZIP; pack it again."
            ) from None

    def _files(self) -> Iterator[tuple[zipfile.ZipInfo, PathParts, EntryRefused | None]]:
        """Yield every file that is not hidden, its path, and why it is not read, if so."""
        seen = set()
        for info in self._zip.infolist():
            # Old ZIP programs for Windows write backslashes.
            path = info.orig_filename.replace("\\", "/")
            parts = tuple(part for part in path.split("/") if part not in ("", "."))
            hidden = any(p == "__MACOSX" or p.startswith(".") and p != ".." for p in parts)
            if path.endswith("/") or not parts or hidden:
                continue
            refusal = _refusal(info, path) or (DUPLICATE if parts in seen else None)
            seen.add(parts)
            yield info, parts, refusal

    def _entries_of_csv(self, files) -> Iterator[Entry] | None:
        """The entries of the one CSV at the top that has the columns; None where there is none."""
        columns = ["path"] if self.labelled else ["path", "class"]
        top = common_folders(
            [p for _, p, refusal in files if not (refusal or _has_suffix(p, NOT_PICTURES_OR_CSV))]
        )
        csvs = [
            (info, parts)
            for info, parts, refusal in files
            if _has_suffix(parts, {".csv"}) and len(parts) <= top + 1 and refusal is None
            and set(columns) <= set(next(self._rows(info)))
        ]  # fmt: skip
        if len(csvs) > 1:
            raise NothingToImport(self.name, "It holds several CSVs of pictures; leave one in it.")
        if not csvs:
            return None
        by_path = {parts: (info, refusal) for info, parts, refusal in reversed(files)}
        info, parts = csvs[0]
        rows = require_columns(self._rows(info), self.name, *columns)
        return (_entry_of_row(row, parts[:-1], by_path) for row in rows)

    def _rows(self, info: zipfile.ZipInfo) -> Iterator[dict[str, str]]:
        if info.file_size > settings.IMPORT_CSV_MAX_BYTES:
            raise NothingToImport(self.name, f"{info.filename} is too large a CSV; split it up.")
        try:
            with self._zip.open(info) as stream:
                text = io.TextIOWrapper(stream, "utf-8-sig", newline="")
                yield from read_rows(text, f"{self.name}, {info.filename}")
        except (NotImplementedError, *DAMAGED):
            raise NothingToImport(self.name, f"{info.filename} in it is damaged.") from None


def _entry_of_row(row: dict[str, str], folder: PathParts, by_path: dict) -> Entry:
    name = row.get("path", "")
    path = name.replace("\\", "/")
    parts = (*folder, *(part for part in path.split("/") if part not in ("", ".")))
    info, refusal = by_path.get(parts, (None, None))
    return Entry(name, row.get("class", ""), info, refusal, **optional_fields(row))


DUPLICATE = EntryRefused(
    "duplicate-name", "The ZIP holds two files of this name; the first one counts."
)


def _refusal(info: zipfile.ZipInfo, path: str) -> EntryRefused | None:
    if ODD_NAME.search(path):
        return EntryRefused("odd-name", "Its name is no plain path inside the ZIP.")
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        return EntryRefused("not-a-file", "It is a link or something else that is no file.")
    if info.flag_bits & ENCRYPTED:
        return EntryRefused("encrypted", "It is locked with a password; pack it without one.")
    if info.compress_type not in COMPRESSIONS:
        return EntryRefused(
            "packing", "It is packed in a way that is not read here; use plain ZIP."
        )
    if _has_suffix((path,), ARCHIVES):
        return EntryRefused(
            "archive", "An archive inside the ZIP is not opened; import it by itself."
        )
    return None


def _has_suffix(parts: PathParts, suffixes: set[str]) -> bool:
    _, dot, suffix = parts[-1].rpartition(".")
    return f"{dot}{suffix.lower()}" in suffixes


def _open(file: BinaryIO, name: str) -> zipfile.ZipFile:
    """Open a ZIP after checking its limits. Raises `NothingToImport`."""
    try:
        size = _check_directory(file, name)
        archive = zipfile.ZipFile(file)
    except (NotImplementedError, *DAMAGED):
        raise NothingToImport(
            name, "It is no ZIP, or a damaged one; pack or copy it again."
        ) from None
    unpacked = sum(info.file_size for info in archive.infolist())
    most = settings.IMPORT_ZIP_MAX_BYTES
    if unpacked > most:
        raise NothingToImport(
            name,
            f"It unpacks to {unpacked / 1024**3:.1f} GB and {most / 1024**3:.1f} GB are allowed; "
            "import it in parts.",
        )
    if unpacked > settings.IMPORT_ZIP_MAX_RATIO * size:
        raise NothingToImport(
            name, f"It unpacks to {unpacked // size:,} times its size, which no pictures do."
        )
    return archive


def _check_directory(file: BinaryIO, name: str) -> int:
    """Count the entries of the central directory without keeping them; return the file's size.

    Of `zipfile`, which would read all of them, only the function that finds the end is used.
    Raises `NothingToImport` for too many, BadZipFile and the like for damage.
    """
    size = file.seek(0, io.SEEK_END)
    end = zipfile._EndRecData(file)
    if not end:
        raise zipfile.BadZipFile
    left, at = end[zipfile._ECD_SIZE], end[zipfile._ECD_LOCATION]
    if end[zipfile._ECD_SIGNATURE] == zipfile.stringEndArchive64:
        at -= ZIP64_END
    file.seek(max(0, at - left))
    for _ in range(settings.IMPORT_MAX_ENTRIES):
        if left < DIRECTORY_ENTRY:
            return size
        entry = file.read(DIRECTORY_ENTRY)
        if len(entry) < DIRECTORY_ENTRY:
            raise zipfile.BadZipFile
        rest = sum(struct.unpack_from("<3H", entry, 28))  # name, extra and comment
        file.seek(rest, io.SEEK_CUR)
        left -= DIRECTORY_ENTRY + rest
    if left >= DIRECTORY_ENTRY:
        raise too_many_entries(name)
    return size
