"""Export a snapshot's pictures and metadata as a ZIP that is made while it is read.

One picture at a time is in memory. What grows with the number of images is the ZIP's directory
(some hundred bytes for each) and the metadata, which is kept in temporary files until the pictures
are written.
"""

import codecs
import csv
import json
import logging
import tempfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import asdict, fields

from django.core.files.storage import storages
from zipstream import ZIP_DEFLATED, ZipStream

from curation import images
from curation.errors import CurationError
from curation.models import Snapshot
from curation.models.image import media_name
from curation.snapshots.export import card
from curation.snapshots.export.records import Record, count_images, records
from curation.splits import Split

logger = logging.getLogger(__name__)

CHUNK = 64 * 1024
TEXT = {"compress_type": ZIP_DEFLATED, "compress_level": 6}
# A spreadsheet takes a cell that begins like this for a formula, and some cells are from the web.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class StorageAway(CurationError):
    """The media storage cannot be read; `why` is its message."""

    why: str

    code = "export_storage_away"
    message = "The pictures' storage cannot be read ({why}). Try again later."


def _temporary_text() -> codecs.StreamWriter:
    """An empty text file, in memory while it is small. Its place is its size in bytes."""
    return codecs.getwriter("utf-8")(tempfile.SpooledTemporaryFile(max_size=1024**2))


def _chunks(text: codecs.StreamWriter) -> Iterator[bytes]:
    """Yield all of it, and close it."""
    with text:
        text.seek(0)
        while chunk := text.read(CHUNK):
            yield chunk


class ImageFolder:
    """A folder for each split, in it one for each label, and `images.csv` at the top.

    Its columns have the names of an import's CSV, so that another installation can import the ZIP.
    """

    names = {"file": "path", "label": "class"}

    def __init__(self):
        self._lines = _temporary_text()
        self._csv = csv.writer(self._lines, lineterminator="\n")
        self._csv.writerow([self.names.get(f.name, f.name) for f in fields(Record)])

    def add(self, record: Record) -> None:
        """Add a picture's metadata."""
        cells = (str(value) for value in asdict(record).values())
        self._csv.writerow([f"'{cell}" if cell.startswith(FORMULA) else cell for cell in cells])

    def files(self) -> dict[str, codecs.StreamWriter]:
        """Name in the ZIP → metadata file."""
        return {"images.csv": self._lines}


class HuggingFace:
    """The same folders with a `metadata.jsonl` in each split, as the `imagefolder` builder reads
    them; file names are relative to it."""

    def __init__(self):
        self._lines = {split: _temporary_text() for split in Split}

    def add(self, record: Record) -> None:
        """Add a picture's metadata."""
        fields = asdict(record)
        file = fields.pop("file").removeprefix(f"{record.split}/")
        self._lines[Split(record.split)].write(
            json.dumps({"file_name": file, **fields}, ensure_ascii=False) + "\n"
        )

    def files(self) -> dict[str, codecs.StreamWriter]:
        """Name in the ZIP → metadata file; a split without images has none."""
        return {
            f"{split}/metadata.jsonl": lines for split, lines in self._lines.items() if lines.tell()
        }


FORMATS = {"imagefolder": ImageFolder, "huggingface": HuggingFace}


def stream(
    snapshot: Snapshot,
    layout: str,
    licences: Collection[str] = (),
    tick: Callable[[int, int], None] = lambda done, of: None,
) -> Iterator[bytes]:
    """The ZIP's bytes. `layout`: a key of `FORMATS`. `tick(done, of)` is called after each image.

    A picture that is purged, lost or damaged is left out and listed in `missing.csv`. Raises
    `LicenceNotThere` and `ManifestDamaged` before the first byte, and `StorageAway` while reading.
    """
    return _generate(snapshot, layout, licences, count_images(snapshot, licences), tick)


def _generate(snapshot, layout, licences, total, tick) -> Iterator[bytes]:
    archive, metadata = ZipStream(), FORMATS[layout]()
    counts, rights, missing = Counter(), Counter(), _temporary_text()
    missing.write("path,sha256,why\n")
    for number, record in enumerate(records(snapshot, licences), 1):
        picture, why = _picture(record)
        if picture is None:
            missing.write(f"{record.file},{record.sha256},{why}\n")
        else:
            # Not compressed: JPEG does not get smaller.
            archive.add(picture, record.file)
            yield from archive.file()
            metadata.add(record)
            counts[record.label, record.split] += 1
            rights[record.licence, record.rights] += 1
        tick(number, total)
    left_out = total - counts.total()
    files = metadata.files() | ({"missing.csv": missing} if left_out else {})
    for name, text in files.items():
        archive.add(_chunks(text), name, size=text.tell(), **TEXT)
        yield from archive.file()
    archive.add(card.text(snapshot, layout, counts, rights, left_out), "README.md", **TEXT)
    yield from archive.finalize()


def _picture(record: Record) -> tuple[bytes | None, str]:
    """(the stored file, ""), or (None, why it is missing)."""
    if not record.file_sha256:
        return None, "purged"
    try:
        with storages["media"].open(media_name(record.file_sha256)) as file:
            data = file.read()
    except FileNotFoundError:
        return None, "purged or lost"
    except OSError as error:
        raise StorageAway(error.strerror or str(error)) from error
    if images.sha256_hex(data) != record.file_sha256:
        logger.warning("%s is damaged: its digest is another", media_name(record.file_sha256))
        return None, "damaged"
    return data, ""
