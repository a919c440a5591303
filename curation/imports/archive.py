"""A ZIP of pictures, from strangers: looked at before it is read, and never unpacked to disk.

1. The directory is walked before Python's zipfile makes an object of each of its lines: a file of
   some megabytes can list millions.
2. What it all unpacks to, as declared, is limited, and so is how much more that is than the file.
3. An entry is read as a stream with a cap; zipfile gives no more than was declared and compares the
   checksum, so an entry that lies about its size is damaged.
4. Names are labels and lines of the report, nothing else. Odd ones are refused and reported.
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
    LeftOut,
    NothingToImport,
    Path,
    labels_of,
    limited,
    read_rows,
    shared,
    told,
    too_many,
    with_columns,
)
from curation.imports.source import Source

LOCKED = 0x1  # bit of an entry's flags
NOT_LISTS = NOT_PICTURES - {".csv"}
READ_HERE = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
DIRECTORY_LINE = 46  # bytes, before the name
ZIP64_END = 76  # bytes between a ZIP64's directory and the place that the old end would have
# zipfile's and the decompressors' words for damage; OSError for places before the file's start.
BAD = (
    OSError,
    zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError, OverflowError, struct.error,
)  # fmt: skip
ODD = re.compile(r"[\x00-\x1f\x7f]|^/|^[A-Za-z]:|(^|/)\.\.(/|$)")


class Archive(Source):
    """A ZIP with a folder for each label, or with a CSV (path, class) at its top.

    `file` is seekable and closed with this. `labelled`: a label for all of it is given.
    """

    def __init__(self, file: BinaryIO, name: str, labels: ingest.Labels, labelled: bool):
        self.file, self.name, self.labels, self.labelled = file, name, labels, labelled
        try:
            self._zip = _open(file, name)
        except BaseException:
            file.close()
            raise

    def __exit__(self, *_) -> None:
        """Close the file."""
        self._zip.close()
        self.file.close()

    def entries(self) -> list[Entry]:
        """The pictures, and what is refused unread, in the order of the archive."""
        files = list(self._files())
        listed = self._by_csv(files)
        if listed is None:
            pictures = [file for file in files if not _is(file[1], NOT_PICTURES)]
            read = [parts for _, parts, refusal in pictures if refusal is None]
            found = dict(zip(read, labels_of(read, self.labels), strict=True))
            listed = (
                Entry("/".join(parts), found.get(parts, ""), info, refusal)
                for info, parts, refusal in pictures
            )
        return limited(listed, self.name)

    def read(self, entry: Entry) -> bytes:
        """The entry's bytes, unpacked."""
        info = entry.where
        if info is None:
            raise LeftOut("unreadable", "There is no such file in the ZIP.")
        most = settings.IMAGE_MAX_BYTES
        if info.file_size > most:
            raise images.ImageTooLarge(info.file_size, most)
        try:
            with self._zip.open(info) as stream:
                return stream.read(most + 1)
        except (NotImplementedError, *BAD):
            raise LeftOut("damaged", "The file is damaged in the ZIP; pack it again.") from None

    def _files(self) -> Iterator[tuple[zipfile.ZipInfo, Path, LeftOut | None]]:
        """Every file that is not hidden, its path, and why it will not be read."""
        seen = set()
        for info in self._zip.infolist():
            # Old packers for Windows write backslashes.
            path = info.orig_filename.replace("\\", "/")
            parts = tuple(part for part in path.split("/") if part not in ("", "."))
            hidden = any(p == "__MACOSX" or p.startswith(".") and p != ".." for p in parts)
            if path.endswith("/") or not parts or hidden:
                continue
            refusal = _refusal(info, path) or (DUPLICATE if parts in seen else None)
            seen.add(parts)
            yield info, parts, refusal

    def _by_csv(self, files) -> Iterator[Entry] | None:
        """The entries of the one CSV at the top that has the columns; None where there is none."""
        columns = ["path"] if self.labelled else ["path", "class"]
        top = shared([p for _, p, refusal in files if not (refusal or _is(p, NOT_LISTS))])
        found = [
            (info, parts)
            for info, parts, refusal in files
            if _is(parts, {".csv"}) and len(parts) <= top + 1 and refusal is None
            and set(columns) <= set(next(self._rows(info)))
        ]  # fmt: skip
        if len(found) > 1:
            raise NothingToImport(self.name, "It holds several CSVs of pictures; leave one in it.")
        if not found:
            return None
        there = {parts: (info, refusal) for info, parts, refusal in reversed(files)}
        (info, parts), = found  # fmt: skip
        rows = with_columns(self._rows(info), self.name, *columns)
        return (_listed(row, parts[:-1], there) for row in rows)

    def _rows(self, info: zipfile.ZipInfo) -> Iterator[dict[str, str]]:
        if info.file_size > settings.IMPORT_CSV_MAX_BYTES:
            raise NothingToImport(self.name, f"{info.filename} is too large a CSV; split it up.")
        try:
            with self._zip.open(info) as stream:
                text = io.TextIOWrapper(stream, "utf-8-sig", newline="")
                yield from read_rows(text, f"{self.name}, {info.filename}")
        except (NotImplementedError, *BAD):
            raise NothingToImport(self.name, f"{info.filename} in it is damaged.") from None


def _listed(row: dict[str, str], folder: Path, there: dict) -> Entry:
    name = row.get("path", "")
    path = name.replace("\\", "/")
    parts = (*folder, *(part for part in path.split("/") if part not in ("", ".")))
    info, refusal = there.get(parts, (None, None))
    return Entry(name, row.get("class", ""), info, refusal, **told(row))


DUPLICATE = LeftOut("duplicate-name", "The ZIP holds two files of this name; the first one counts.")


def _refusal(info: zipfile.ZipInfo, path: str) -> LeftOut | None:
    """Why an entry will not be read, if so."""
    if ODD.search(path):
        return LeftOut("odd-name", "Its name is no plain path inside the ZIP.")
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        return LeftOut("not-a-file", "It is a link or something else that is no file.")
    if info.flag_bits & LOCKED:
        return LeftOut("encrypted", "It is locked with a password; pack it without one.")
    if info.compress_type not in READ_HERE:
        return LeftOut("packing", "It is packed in a way that is not read here; use plain ZIP.")
    if _is((path,), ARCHIVES):
        return LeftOut("archive", "An archive inside the ZIP is not opened; import it by itself.")
    return None


def _is(parts: Path, suffixes: set[str]) -> bool:
    _, dot, suffix = parts[-1].rpartition(".")
    return f"{dot}{suffix.lower()}" in suffixes


def _open(file: BinaryIO, name: str) -> zipfile.ZipFile:
    """The ZIP, once it is known to be no bomb; raises `NothingToImport`."""
    try:
        size = _walk_directory(file, name)
        archive = zipfile.ZipFile(file)
    except (NotImplementedError, *BAD):
        raise NothingToImport(
            name, "It is no ZIP, or a damaged one; pack or copy it again."
        ) from None
    unpacked = sum(info.file_size for info in archive.infolist())
    if unpacked > settings.IMPORT_ZIP_MAX_BYTES:
        most = settings.IMPORT_ZIP_MAX_BYTES
        why = (
            f"It unpacks to {unpacked / 1024**3:.1f} GB and {most / 1024**3:.1f} GB are allowed; "
            "import it in parts."
        )
    elif unpacked > settings.IMPORT_ZIP_MAX_RATIO * size:
        why = f"It unpacks to {unpacked // size:,} times its size, which no pictures do."
    else:
        return archive
    raise NothingToImport(name, why)


def _walk_directory(file: BinaryIO, name: str) -> int:
    """Count the lines of the ZIP's directory without keeping them; returns the file's size.

    `zipfile` offers no look before it reads all of it, but for the function that finds the end.
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
        if left < DIRECTORY_LINE:
            return size
        line = file.read(DIRECTORY_LINE)
        if len(line) < DIRECTORY_LINE:
            raise zipfile.BadZipFile
        rest = sum(struct.unpack_from("<3H", line, 28))  # name, extra and comment
        file.seek(rest, io.SEEK_CUR)
        left -= DIRECTORY_LINE + rest
    if left >= DIRECTORY_LINE:
        raise too_many(name)
    return size
