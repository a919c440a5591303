"""A snapshot → the bytes of a ZIP, made as they are read: one picture at a time is in memory.

What grows with the number of images is the ZIP's directory (some hundred bytes for each) and the
metadata, which waits in temporary files until its place in the ZIP has come.
"""

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
from curation.snapshots.export.records import Record, records, survey
from curation.splits import Split

logger = logging.getLogger(__name__)

CHUNK = 64 * 1024
TEXT = {"compress_type": ZIP_DEFLATED, "compress_level": 6}
# A spreadsheet takes a cell that begins like this for a formula, and strangers wrote some of them.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


class StorageAway(CurationError):
    """The storage fails; `why` in its words."""

    why: str

    code = "export_storage_away"
    message = "The pictures' storage cannot be read ({why}). Try again later."


class _Waiting:
    """Lines of text that wait on disk for their turn."""

    def __init__(self):
        self._file = tempfile.SpooledTemporaryFile(max_size=1024**2)  # noqa: SIM115
        self.size = 0

    def write(self, text: str) -> None:
        """Add text."""
        data = text.encode()
        self._file.write(data)
        self.size += len(data)

    def chunks(self) -> Iterator[bytes]:
        """All of it, once."""
        with self._file:
            self._file.seek(0)
            while chunk := self._file.read(CHUNK):
                yield chunk


class ImageFolder:
    """One folder for each split, in it one for each label; `images.csv` at the top.

    The columns bear the names that an import's CSV has, so one installation reads the ZIP of
    another.
    """

    names = {"file": "path", "label": "class"}

    def __init__(self):
        self._lines = _Waiting()
        self._csv = csv.writer(self._lines, lineterminator="\n")
        self._csv.writerow([self.names.get(f.name, f.name) for f in fields(Record)])

    def note(self, record: Record) -> None:
        """Keep a picture's metadata."""
        cells = (str(value) for value in asdict(record).values())
        self._csv.writerow([f"'{cell}" if cell.startswith(FORMULA) else cell for cell in cells])

    def metadata(self) -> dict[str, _Waiting]:
        """The files of metadata by name."""
        return {"images.csv": self._lines}


class HuggingFace:
    """The same folders with a `metadata.jsonl` in each split, as the `imagefolder` builder reads
    them; file names are relative to it."""

    def __init__(self):
        self._lines = {split: _Waiting() for split in Split}

    def note(self, record: Record) -> None:
        """Keep a picture's metadata."""
        facts = asdict(record)
        file = facts.pop("file").removeprefix(f"{record.split}/")
        self._lines[Split(record.split)].write(
            json.dumps({"file_name": file, **facts}, ensure_ascii=False) + "\n"
        )

    def metadata(self) -> dict[str, _Waiting]:
        """The files of metadata by name; a split without images has none."""
        return {
            f"{split}/metadata.jsonl": lines for split, lines in self._lines.items() if lines.size
        }


FORMATS = {"imagefolder": ImageFolder, "huggingface": HuggingFace}


def stream(
    frozen: Snapshot,
    layout: str,
    licences: Collection[str] = (),
    watch: Callable[[int, int], None] = lambda done, of: None,
) -> Iterator[bytes]:
    """The ZIP's bytes. `layout`: one of `FORMATS`. `watch(done, of)` is called for each image.

    What can be refused is refused here, before the first byte. A picture that is purged or cannot
    found when its turn comes is left out and named in `missing.csv`. Raises `LicenceNotThere` and
    what `snapshot.read` raises; on the way, `StorageAway`.
    """
    planned = survey(frozen, licences)
    return _generate(frozen, layout, licences, planned.images, watch)


def _generate(frozen, layout, licences, of, watch) -> Iterator[bytes]:
    archive, written = ZipStream(), FORMATS[layout]()
    counts, known, missing = Counter(), Counter(), _Waiting()
    missing.write("path,sha256,why\n")
    for number, record in enumerate(records(frozen, licences), 1):
        picture, why = _picture(record)
        if picture is None:
            missing.write(f"{record.file},{record.sha256},{why}\n")
            counts["missing"] += 1
        else:
            # JPEG does not get smaller; deflating it again would only take time.
            archive.add(picture, record.file)
            yield from archive.file()
            written.note(record)
            counts[record.label, record.split] += 1
            known[record.licence, record.rights] += 1
        watch(number, of)
    left_out = counts.pop("missing", 0)
    texts = written.metadata() | ({"missing.csv": missing} if left_out else {})
    for name, lines in texts.items():
        archive.add(lines.chunks(), name, size=lines.size, **TEXT)
        yield from archive.file()
    archive.add(card.text(frozen, layout, counts, known, left_out), "README.md", **TEXT)
    yield from archive.finalize()


def _picture(record: Record) -> tuple[bytes | None, str]:
    """The picture as it is stored, else why there is none, in a word."""
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
