"""What is told of each picture that goes out."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

from curation.decisions.history import batches
from curation.errors import CurationError
from curation.models import ShoeImage, ShoeType, Snapshot
from curation.snapshots.freeze import Line, read

# What people write where nothing is known.
NO_LICENCE = {"", "unknown", "none", "none stated"}


class Rights(StrEnum):
    """What may be known of a picture's licence, said plainly."""

    STATED = "licence stated"
    UNKNOWN = "licence unknown, ask the owner"
    TRAINING = "given for training only, see consent"


class LicenceNotThere(CurationError):
    """No image of the snapshot has this licence; `there` are those that some image has."""

    snapshot: str
    licence: str
    there: tuple[str, ...]
    code = "export_no_such_licence"
    message = (
        "No image of snapshot “{snapshot}” has the licence “{licence}”. It has these: {names}."
    )

    @property
    def names(self) -> str:
        """The licences there are, in quotation marks."""
        return ", ".join(f"“{name}”" for name in self.there)


@dataclass(frozen=True)
class Record:
    """One picture's line of metadata.

    Label, split, group, source, scene and licence are as they were frozen; the rest is as the
    image's row has it now. `file_sha256`: of the file that goes out; `sha256`: of the bytes as they
    were received, the image's identity.
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


@dataclass(frozen=True)
class Survey:
    """What an export will hold if nothing is purged meanwhile: images, and how many of each
    licence."""

    images: int
    licences: dict[str, int]


def survey(frozen: Snapshot, licences: Collection[str] = ()) -> Survey:
    """Count what goes out; `licences` restricts it to these, letter for letter.

    Raises `LicenceNotThere`, and what `read` raises.
    """
    there = Counter(line.licence for line in read(frozen))
    for name in licences:
        if name not in there:
            raise LicenceNotThere(frozen.name, name, tuple(sorted(there)))
    chosen = {k: n for k, n in there.most_common() if not licences or k in licences}
    return Survey(sum(chosen.values()), chosen)


def records(frozen: Snapshot, licences: Collection[str] = ()) -> Iterator[Record]:
    """A record for each image of a snapshot; `file_sha256` is empty where the picture is purged."""
    names = dict[str, tuple[str, str]]()
    for slug, name, category in ShoeType.objects.values_list("slug", "name", "category__name"):
        names[slug] = name, category or ""
    lines = read(frozen)
    chosen = (line for line in lines if not licences or line.licence in licences)
    for part in batches(chosen):
        rows = ShoeImage.objects.filter(sha256__in=[line.sha256 for line in part]).order_by()
        known = {image.sha256: image for image in rows.defer("phash")}
        for line in part:
            yield _record(line, known.get(line.sha256), *names.get(line.label, (line.label, "")))


def _record(line: Line, image: ShoeImage | None, name: str, category: str) -> Record:
    def known(column: str) -> str:
        return getattr(image, column) if image else ""

    there = image is not None and image.state != ShoeImage.State.PURGED
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
        rights=_rights(line.licence, known("consent")),
        consent=known("consent"),
        page_url=known("page_url"),
        file_url=known("file_url"),
        title=known("title"),
        query=known("query"),
        sha256=line.sha256,
        file_sha256=line.stored_sha256 if there else "",
    )


def _rights(licence: str, consent: str) -> Rights:
    if consent:
        return Rights.TRAINING
    return Rights.UNKNOWN if licence.strip().lower() in NO_LICENCE else Rights.STATED
