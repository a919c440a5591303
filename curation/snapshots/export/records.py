"""The metadata of each picture in an export."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from curation.errors import CurationError
from curation.models import ShoeImage, ShoeType, Snapshot
from curation.snapshots.manifest import ManifestLine, read
from shoeproject.batches import batches

# What people write where the licence is unknown, in small letters.
NO_LICENCE = {"", "unknown", "none", "none stated"}


class Rights(StrEnum):
    """What is known of a picture's licence, in words."""

    STATED = "licence stated"
    UNKNOWN = "licence unknown, ask the owner"
    TRAINING = "given for training only, see consent"


class LicenceNotThere(CurationError):
    """No image of the snapshot has this licence; `known` are the licences that images have."""

    snapshot: str
    licence: str
    known: tuple[str, ...]
    code = "export_no_such_licence"
    message = (
        "No image of snapshot “{snapshot}” has the licence “{licence}”. It has these: {names}."
    )

    @property
    def names(self) -> str:
        """The known licences, in quotation marks."""
        return ", ".join(f"“{name}”" for name in self.known)


@dataclass(frozen=True)
class Record:
    """The metadata of one picture.

    Label, split, group, source, scene and licence are those of the snapshot; the rest is of the
    image's row as it is now. `file`: the path in the export. `file_sha256`: of the stored file,
    empty where it was purged; `sha256`: of the bytes as received, the image's identity.
    """

    file: str
    label: str
    label_name: str
    category: str
    split: str
    group: str
    source: str
    scene: str
    licence: str
    rights: Rights
    consent: str
    page_url: str
    file_url: str
    title: str
    query: str
    sha256: str
    file_sha256: str


def count_images(snapshot: Snapshot, licences: Collection[str] = ()) -> int:
    """How many records `records` will yield.

    Raises `LicenceNotThere`, and `ManifestDamaged` of `manifest.read`.
    """
    counts = Counter(line.licence for line in read(snapshot))
    for name in licences:
        if name not in counts:
            raise LicenceNotThere(snapshot.name, name, tuple(sorted(counts)))
    return sum(counts[name] for name in licences) if licences else counts.total()


def records(snapshot: Snapshot, licences: Collection[str] = ()) -> Iterator[Record]:
    """Yield a record for each image of a snapshot, in the order of its manifest.

    `licences`: only images with one of these, letter for letter; empty for all.
    """
    types = ShoeType.objects.values_list("slug", "name", "category__name")
    names = {slug: (name, category or "") for slug, name, category in types}
    lines = (line for line in read(snapshot) if not licences or line.licence in licences)
    for part in batches(lines):
        shas = [line.sha256 for line in part]
        known = ShoeImage.objects.defer("phash").in_bulk(shas, field_name="sha256")
        for line in part:
            yield _record(line, known.get(line.sha256), *names.get(line.label, (line.label, "")))


def _record(line: ManifestLine, image: ShoeImage | None, name: str, category: str) -> Record:
    columns = ("consent", "page_url", "file_url", "title", "query")
    now = {column: getattr(image, column, "") for column in columns}
    stored = image is not None and image.state != ShoeImage.State.PURGED
    return Record(
        file=f"{line.split}/{line.label}/{line.sha256[:16]}.jpg",
        label=line.label,
        label_name=name,
        category=category,
        split=line.split,
        group=line.group,
        source=line.source,
        scene=line.scene,
        licence=line.licence,
        rights=_rights(line.licence, now["consent"]),
        **now,
        sha256=line.sha256,
        file_sha256=line.stored_sha256 if stored else "",
    )


def _rights(licence: str, consent: str) -> Rights:
    if consent:
        return Rights.TRAINING
    return Rights.UNKNOWN if licence.strip().lower() in NO_LICENCE else Rights.STATED
