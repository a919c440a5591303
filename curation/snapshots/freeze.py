"""Freeze the images that a filter finds into a snapshot: a row and a manifest."""

import gzip
import hashlib
import json
from collections import Counter
from dataclasses import asdict, dataclass, fields
from operator import attrgetter

from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import storages
from django.db import IntegrityError, transaction

from curation.errors import CurationError
from curation.models import ShoeImage, Snapshot
from curation.snapshots.manifest import ManifestLine
from curation.splits import Split


class NameTaken(CurationError):
    """A snapshot of this name has other images."""

    name: str
    code = "snapshot_name_taken"
    status = 409
    message = "There is a snapshot “{name}” with other images; choose another name."


class BadName(CurationError):
    """The name is no slug of up to 80 characters."""

    code = "snapshot_bad_name"
    message = "A snapshot's name has up to 80 letters, digits, hyphens and underscores."


class SnapshotNotFound(CurationError):
    """No snapshot has this name."""

    name: str
    code = "snapshot_not_found"
    status = 404
    message = "There is no snapshot “{name}”; `manage.py snapshot {name}` makes one."


class NothingToFreeze(CurationError):
    """The filter finds no image."""

    code = "snapshot_empty"
    status = 409
    message = "No labelled image passes the filter. Import or label some, or loosen the filter."


@dataclass(frozen=True)
class Filter:
    """Which images to freeze, of those that are labelled and not rejected.

    `min_size`: pixels of the shorter side; `confirmed`: only confirmed ones.
    """

    min_size: int = 0
    confirmed: bool = False

    def images(self):
        """The images as a queryset, in no order."""
        confirmed, unreviewed = ShoeImage.State.CONFIRMED, ShoeImage.State.UNREVIEWED
        states = [confirmed] if self.confirmed else [confirmed, unreviewed]
        return ShoeImage.objects.filter(
            label__isnull=False, state__in=states, shorter_side__gte=self.min_size
        ).order_by()


# Field of a line → the column of the image that it is read from.
COLUMNS = {f.name: f.name for f in fields(ManifestLine)} | {"label": "label__slug"}


def find(name: str) -> Snapshot:
    """The snapshot of this name; raises `SnapshotNotFound`."""
    try:
        return Snapshot.objects.get(name=name)
    except Snapshot.DoesNotExist:
        raise SnapshotNotFound(name) from None


def freeze(name: str, filter: Filter, by=None) -> Snapshot:
    """Freeze the images that the filter finds now, as `name`.

    A snapshot of this name with the same images is returned as it is. Raises `NameTaken`, `BadName`
    and `NothingToFreeze`.
    """
    try:
        Snapshot._meta.get_field("name").clean(name, None)
    except ValidationError as error:
        raise BadName from error
    rows = filter.images().values_list(*COLUMNS.values())
    # Sorted here: a database would read the whole table along its index of digests to sort.
    lines = [ManifestLine(*row) for row in rows.iterator(chunk_size=2000)]
    lines.sort(key=attrgetter("sha256"))
    if not lines:
        raise NothingToFreeze
    text = "".join(json.dumps(asdict(line), sort_keys=True) + "\n" for line in lines).encode()
    snapshot = Snapshot(
        name=name,
        digest=hashlib.sha256(text).hexdigest(),
        filter=asdict(filter),
        counts=count(lines),
        images=len(lines),
        created_by=by,
    )
    if existing := Snapshot.objects.filter(name=name).first():
        if existing.digest == snapshot.digest:
            return existing
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
