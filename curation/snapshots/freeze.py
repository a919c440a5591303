"""Filter → frozen set of images, and reading one back."""

import gzip
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.core.validators import validate_slug
from django.db import IntegrityError, transaction

from curation.errors import CurationError
from curation.models import ShoeImage, Snapshot
from curation.splits import Split


class NameTaken(CurationError):
    """A snapshot of that name holds something else."""

    name: str
    code = "snapshot_name_taken"
    status = 409
    message = "There is a snapshot “{name}” with other images; choose another name."


class BadName(CurationError):
    """The name cannot be used in a command or an address."""

    code = "snapshot_bad_name"
    message = "A snapshot's name has up to 80 letters, digits, hyphens and underscores."


class SnapshotNotFound(CurationError):
    """No snapshot has this name."""

    name: str
    code = "snapshot_not_found"
    status = 404
    message = "There is no snapshot “{name}”; `manage.py snapshot {name}` makes one."


class NothingToFreeze(CurationError):
    """No image passes the filter."""

    code = "snapshot_empty"
    status = 409
    message = "No labelled image passes the filter. Import or label some, or loosen the filter."


class ManifestDamaged(CurationError):
    """The manifest file is missing or is not what the row says."""

    name: str
    why: str
    code = "snapshot_damaged"
    message = "The manifest of snapshot “{name}” {why}; restore it from a backup."


@dataclass(frozen=True)
class Filter:
    """Which images a snapshot takes, of those that are labelled and not rejected."""

    min_size: int = 0
    confirmed: bool = False

    def images(self):
        """The images as a queryset, in no order."""
        states = [ShoeImage.State.CONFIRMED]
        if not self.confirmed:
            states.append(ShoeImage.State.UNREVIEWED)
        return ShoeImage.objects.filter(
            label__isnull=False, state__in=states, shorter_side__gte=self.min_size
        ).order_by()


@dataclass(frozen=True)
class Line:
    """One image of a snapshot, as its manifest keeps it."""

    sha256: str
    stored_sha256: str
    label: str
    split: str
    group: str
    source: str
    scene: str
    licence: str


COLUMNS = {f.name: f.name for f in fields(Line)} | {"label": "label__slug"}


def find(name: str) -> Snapshot:
    """The snapshot of this name; raises `SnapshotNotFound`."""
    found = Snapshot.objects.filter(name=name).first()
    if found is None:
        raise SnapshotNotFound(name)
    return found


def freeze(name: str, chosen: Filter, by=None) -> Snapshot:
    """Freeze what the filter finds now, as `name`.

    Asked again with nothing changed it returns the snapshot that is there. Raises `NameTaken`,
    `BadName` and `NothingToFreeze`.
    """
    _check_name(name)
    rows = chosen.images().values_list(*COLUMNS.values())
    # Sorted here: asked to sort, a database reads the whole table along its index of digests.
    lines = sorted((Line(*row) for row in rows.iterator(chunk_size=2000)), key=_digest)
    if not lines:
        raise NothingToFreeze
    text = "".join(json.dumps(asdict(line), sort_keys=True) + "\n" for line in lines).encode()
    snapshot = Snapshot(
        name=name,
        digest=hashlib.sha256(text).hexdigest(),
        filter=asdict(chosen),
        counts=count(lines),
        images=len(lines),
        created_by=by,
    )
    if there := Snapshot.objects.filter(name=name).first():
        if there.digest == snapshot.digest:
            return there
        raise NameTaken(name)
    # mtime=0 keeps the clock out of the file, so the same lines give the same bytes.
    storages["media"].save(snapshot.manifest_name, ContentFile(gzip.compress(text, mtime=0)))
    try:
        with transaction.atomic():
            snapshot.save(force_insert=True)
    except IntegrityError as error:
        raise NameTaken(name) from error
    return snapshot


def count(lines) -> dict[str, dict[str, int]]:
    """Images for each label and split: {label: {"train": n, "valid": n, "test": n}}."""
    numbers = Counter((line.label, line.split) for line in lines)
    labels = sorted({label for label, _ in numbers})
    return {label: {split.value: numbers[label, split] for split in Split} for label in labels}


def read(snapshot: Snapshot) -> Iterator[Line]:
    """The lines of a snapshot, checked against its digest before the first one is given."""
    try:
        with storages["media"].open(snapshot.manifest_name) as file:
            text = gzip.decompress(file.read())
    except (FileNotFoundError, EOFError, gzip.BadGzipFile) as error:
        raise ManifestDamaged(snapshot.name, "is missing or broken") from error
    if hashlib.sha256(text).hexdigest() != snapshot.digest:
        raise ManifestDamaged(snapshot.name, "does not match its digest")
    return (Line(**json.loads(line)) for line in io.BytesIO(text))


def _digest(line: Line) -> str:
    return line.sha256


def _check_name(name: str) -> None:
    try:
        validate_slug(name)
    except ValidationError as error:
        raise BadName from error
    if len(name) > 80:
        raise BadName
