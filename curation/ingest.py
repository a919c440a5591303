"""Labelled pictures on disk → images in the database: a folder for each label, or a CSV."""

import csv
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import IntegrityError, transaction
from django.utils.text import slugify

from curation import hashing, images, splits
from curation.errors import CurationError
from curation.models import Import, Review, ShoeImage, ShoeType
from curation.models.image import media_name

logger = logging.getLogger(__name__)

# File names nobody means as pictures when they lie in a folder of pictures.
NOT_PICTURES = {".txt", ".md", ".csv", ".json", ".html", ".ini", ".db"}


class NothingToImport(CurationError):
    """The path does not lead to a folder of labels or a readable CSV."""

    code = "nothing_to_import"

    def __init__(self, path, why):
        super().__init__(path, why)
        self.path, self.why = path, why

    @property
    def detail(self):
        """One sentence for people."""
        return f"{self.path}: {self.why}"


@dataclass(frozen=True)
class Entry:
    """One picture to bring in, as a folder or a CSV names it."""

    path: Path
    label: str
    group: str = ""
    source: str = ""
    licence: str = ""
    scene: str = ""
    title: str = ""


@dataclass(frozen=True)
class Origin:
    """What is known of a picture besides its bytes."""

    group: str = ""
    source: str = ""
    licence: str = "unknown"
    scene: str = ShoeImage.Scene.UNKNOWN
    title: str = ""
    imported_by: Import | None = None


def limits() -> images.Limits:
    """The installation's limits on pictures, from its settings."""
    return images.Limits(
        max_bytes=settings.IMAGE_MAX_BYTES,
        max_pixels_jpeg=settings.IMAGE_MAX_PIXELS_JPEG,
        max_pixels=settings.IMAGE_MAX_PIXELS,
        max_side=settings.IMAGE_MAX_SIDE,
    )


def read_folder(root: Path) -> Iterator[Entry]:
    """Every file below each folder of `root`, in a fixed order, labelled by that folder's name."""
    for folder in sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith(".")):
        for path in sorted(folder.rglob("*")):
            hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
            if path.is_file() and not hidden and path.suffix.lower() not in NOT_PICTURES:
                yield Entry(path, folder.name)


def read_manifest(file: Path) -> Iterator[Entry]:
    """The rows of a CSV with a header; `path` is relative to the CSV's folder and stays below it.

    Raises `NothingToImport` for a file that is no such CSV.
    """
    root = file.parent.resolve()
    try:
        with open(file, newline="", encoding="utf-8-sig") as lines:
            rows = csv.DictReader(lines)
            missing = {"path", "class"} - set(rows.fieldnames or [])
            if missing:
                raise NothingToImport(
                    file, f"the CSV has no column {' and no column '.join(sorted(missing))}."
                )
            for row in rows:
                known = {k: (row.get(k) or "").strip() for k in Entry.__dataclass_fields__}
                known.pop("label")
                path = root / known.pop("path")
                yield Entry(path, (row.get("class") or "").strip(), **known)
    except (UnicodeDecodeError, csv.Error) as error:
        raise NothingToImport(file, f"it is no CSV in UTF-8 ({error}).") from error


def read(path: Path) -> Iterator[Entry]:
    """The entries of a folder or a CSV; raises `NothingToImport` where there is neither."""
    if path.is_dir():
        return read_folder(path)
    if path.is_file():
        return read_manifest(path)
    raise NothingToImport(path, "there is no such folder or file on this server.")


class Labels:
    """Finds the type a label means: by a map, by slug, by name or by the first model's class name.

    Raises KeyError for a label nobody knows.
    """

    def __init__(self, label_map: dict[str, str] | None = None):
        self._types = {}
        for shoe_type in ShoeType.objects.select_related("merged_into"):
            for name in (shoe_type.slug, shoe_type.name, shoe_type.original_label):
                self._types.setdefault(slugify(name), shoe_type.survivor())
        self._map = {slugify(k): slugify(v) for k, v in (label_map or {}).items()}

    def __getitem__(self, label: str) -> ShoeType:
        slug = slugify(label.replace("_", "-"))
        slug = self._map.get(slugify(label), self._map.get(slug, slug))
        return self._types[slug]


def add_image(
    data: bytes, origin: Origin, *, label=None, proposed=None, by=None
) -> tuple[ShoeImage, bool]:
    """Take one picture in, or find it: returns the image and whether it is new.

    A picture that is here already, was rejected or was purged is left as it is. The file is written
    before the row, so a row never names a missing file. Raises the decode guard's errors.
    """
    sha256 = images.sha256_hex(data)
    known = ShoeImage.objects.filter(sha256=sha256).first()
    if known:
        return known, False
    picture = images.decode(data, limits())
    stored = images.encode(picture.image)
    stored_sha256 = images.sha256_hex(stored)
    phash = hashing.phash(picture.image)
    band0, band1, band2, band3 = hashing.bands(phash)
    red, green, blue = (round(c) for c in hashing.mean_colour(picture.image))
    key = splits.split_key(origin.group, sha256)
    image = ShoeImage(
        sha256=sha256,
        stored_sha256=stored_sha256,
        width=picture.width,
        height=picture.height,
        phash=hashing.to_hex(phash),
        band0=band0,
        band1=band1,
        band2=band2,
        band3=band3,
        colour=f"{red:02x}{green:02x}{blue:02x}",
        group=origin.group,
        source=origin.source,
        licence=origin.licence,
        scene=origin.scene,
        title=origin.title,
        imported_by=origin.imported_by,
        label=label,
        proposed=proposed,
        split_key=key,
        split=splits.split_of(key),
    )
    storages["media"].save(media_name(stored_sha256), ContentFile(stored))
    try:
        with transaction.atomic():
            image.save(force_insert=True)
            if label:
                Review.objects.create(
                    image=image, by=by, action=Review.Action.IMPORT,
                    label_to=label, state_to=image.state,
                )  # fmt: skip
    except IntegrityError:
        # Another worker took the same picture in meanwhile.
        return ShoeImage.objects.get(sha256=sha256), False
    return image, True


class Report:
    """What became of an import's entries; kept small however many there are."""

    def __init__(self):
        self.known, self.refused, self.unknown_labels = 0, Counter(), Counter()
        self.problems = []

    def refuse(self, path, code, detail):
        """Count a refusal, and keep the first ones word for word."""
        self.refused[code] += 1
        if len(self.problems) < settings.IMPORT_REPORT_LINES:
            self.problems.append({"path": str(path), "code": code, "detail": detail})

    def as_json(self, added: int) -> dict:
        """The report as it is stored on the import's row."""
        return {
            "added": added,
            "known": self.known,
            "refused": dict(self.refused),
            "unknown_labels": dict(self.unknown_labels),
            "problems": self.problems,
        }


def run(claim) -> None:
    """Perform an import job: take in what is new, report the rest.

    Taken up again after a dead worker it walks the list anew; what is here already costs a hash.
    """
    job = claim.job
    root = Path(job.path)
    labels = Labels(job.label_map)
    entries = list(read(root))
    if not entries:
        raise NothingToImport(root, "no pictures there. It needs one folder for each label.")
    base = root.resolve() if root.is_dir() else root.parent.resolve()
    report = Report()
    claim.tick(0, len(entries), "pictures", force=True)
    for number, entry in enumerate(entries, 1):
        _take(entry, base, job, labels, report)
        claim.tick(number)
    claim.tick(len(entries), force=True)
    added = job.images.count()
    # A picture this same import added before its worker died counts as added, not as known.
    report.known = len(entries) - added - report.refused.total() - report.unknown_labels.total()
    with claim.holding():
        Import.objects.filter(pk=job.pk).update(report=report.as_json(added))


def _take(entry: Entry, base: Path, job: Import, labels: Labels, report: Report) -> None:
    try:
        label = labels[entry.label]
    except KeyError:
        report.unknown_labels[entry.label] += 1
        return
    name = entry.path.relative_to(base) if entry.path.is_relative_to(base) else entry.path
    path = entry.path.resolve()
    if not path.is_relative_to(base):
        report.refuse(name, "outside", "The path leads out of the folder that is imported.")
        return
    source = entry.source or job.source
    origin = Origin(
        # A group's name means something only within its source.
        group=f"{source}:{entry.group}"[:200] if entry.group else "",
        source=source[:200],
        licence=(entry.licence or job.licence)[:200],
        scene=entry.scene if entry.scene in ShoeImage.Scene.values else job.scene,
        title=entry.title[:300],
        imported_by=job,
    )
    try:
        size = path.stat().st_size
        if size > settings.IMAGE_MAX_BYTES:
            raise images.ImageTooLarge(size, settings.IMAGE_MAX_BYTES)
        add_image(path.read_bytes(), origin, label=label, by=job.asked_by)
    except CurationError as error:
        report.refuse(name, error.code, error.detail)
    except OSError as error:
        report.refuse(name, "unreadable", f"The file cannot be read: {error.strerror}.")
