"""Remove pictures for good; rows stay as tombstones with the reason.

Rows are changed first, in one transaction; then files are removed, which may be repeated.
"""

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from django.core.files.storage import storages
from django.db import transaction
from django.db.models import Count, Q, Value
from django.db.models.functions import Substr
from django.dispatch import Signal

from curation import ingest, thumbnails
from curation.decisions import history
from curation.errors import CurationError
from curation.issues import findings
from curation.models import Purge, Review, ShoeImage, Snapshot
from curation.models.image import media_name
from curation.snapshots import manifest
from shoeproject.batches import batches

logger = logging.getLogger(__name__)
State = ShoeImage.State
# Sent with `digests`, a list of stored pictures that are gone, so that receivers drop their copies.
purged = Signal()
FILE_NOTE = "Its file was "
WHOLE_URL = re.compile(r"https?://[^/\s]+", re.IGNORECASE)
EVERYTHING_FROM = "Everything from "
NAMED = 50  # images that the words of a scope list one by one


class PurgeRefused(CurationError):
    """Nothing was purged; `why` is a sentence."""

    why: str
    code = "purge_refused"
    message = "{why}"


@dataclass(frozen=True)
class Scope:
    """Which images to purge. `kind`: "images" (`value`: primary keys, comma-separated), "domain" (a
    host, with its subdomains) or "url" (the beginning of a page's or a file's address)."""

    kind: str
    value: str

    def images(self):
        """The images with a picture; raises `PurgeRefused` for a value that names none."""
        images = ShoeImage.objects.exclude(state=State.PURGED).order_by()
        if self.kind == "domain" and self.value.strip(". "):
            host = self.value.strip(". ").lower()
            return images.filter(Q(domain__iexact=host) | Q(domain__iendswith=f".{host}"))
        if self.kind == "url" and WHOLE_URL.match(url := self.value.strip()):
            # Not `startswith`, which ignores case in some databases.
            images = images.annotate(
                page_start=Substr("page_url", 1, len(url)),
                file_start=Substr("file_url", 1, len(url)),
            )
            return images.filter(Q(page_start=Value(url)) | Q(file_start=Value(url)))
        if self.kind == "images" and (keys := self._keys()):
            return images.filter(pk__in=keys)
        raise PurgeRefused("Choose images, write a host such as shop.example, or a whole address.")

    @property
    def words(self) -> str:
        """The scope in words, as the purge's row keeps it."""
        if self.kind == "images":
            keys = self._keys()
            more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
            return f"Images {', '.join(map(str, keys[:NAMED]))}{more}"
        return f"{EVERYTHING_FROM}{self.value.strip()}"

    def _keys(self) -> list[int]:
        # At most 17 digits, so that a key fits the database's integers.
        return [int(key) for key in re.findall(r"\b[0-9]{1,17}\b", self.value)]


@dataclass(frozen=True)
class Preview:
    """What a purge would remove: how many images, of which domains, labels and states ([(name,
    images)], most first), and the snapshots that would become incomplete. `expected`: the
    fingerprint to pass to `purge`."""

    images: int
    domains: list[tuple[str, int]]
    labels: list[tuple[str, int]]
    states: list[tuple[str, int]]
    snapshots: list[Snapshot]
    expected: str


def purged_source_check() -> Callable[[str, str], bool]:
    """A function of a page's and a file's address that tells whether everything from there was
    purged, by host or by the beginning of an address; nothing from there is brought in again."""
    scopes = Purge.objects.filter(scope__startswith=EVERYTHING_FROM).values_list("scope", flat=True)
    values = {scope.removeprefix(EVERYTHING_FROM) for scope in scopes}
    starts = tuple(value for value in values if WHOLE_URL.match(value))
    hosts = {v.strip(". ").lower().removeprefix("www.") for v in values if not WHOLE_URL.match(v)}

    def is_purged(page_url: str, file_url: str) -> bool:
        for url in filter(None, (page_url, file_url)):
            parts = ingest.domain_of(url).split(".")
            host_and_parents = {".".join(parts[i:]) for i in range(len(parts))}
            if url.startswith(starts) or host_and_parents & hosts:
                return True
        return False

    return is_purged


def preview(images) -> Preview:
    """Preview purging these images (a queryset)."""
    images = history.with_picture(images)
    rows = list(images.values_list("pk", "sha256"))
    return Preview(
        images=len(rows),
        domains=_counts(images, "domain"),
        labels=_counts(images, "label__name"),
        states=_counts(images, "state"),
        snapshots=snapshots_with({sha256 for _, sha256 in rows}),
        expected=history.fingerprint(pk for pk, _ in rows),
    )


def purge(images, by, why: str, scope: str, expected: str | None = None) -> Purge:
    """Remove the pictures of these images (a queryset) for good.

    `by` is None where the person who gave a picture withdraws it. Rows stay as tombstones with
    their digest and perceptual hash, so that the pictures are not brought in again; snapshots that
    list one become incomplete. Files go once the transaction is committed. Raises `PurgeRefused`
    without a reason, without images, and where the images are no longer those of the preview whose
    `expected` is given.
    """
    if not why.strip():
        raise PurgeRefused("Say why these pictures have to go; it is kept.")
    rows = list(history.with_picture(images).values_list("pk", "sha256"))
    incomplete = snapshots_with({sha256 for _, sha256 in rows})
    with transaction.atomic():
        locked = history.lock_images(pk for pk, _ in rows)
        locked = [image for image in locked if image.state != State.PURGED]
        if not locked:
            raise PurgeRefused("None of these images has a picture left.")
        if expected not in (None, history.fingerprint(image.pk for image in locked)):
            raise PurgeRefused(
                f"Other images are meant by now, {len(locked)} of them. Nothing was removed. Look "
                "at the numbers again."
            )
        row = Purge.objects.create(by=by, why=why.strip(), scope=scope)
        writer = history.Writer(by, Review.Action.PURGE)
        for image in locked:
            # The only record of the file's name, by which `remove_files` finds it.
            note = f"{FILE_NOTE}{image.stored_sha256}"
            writer.add(image, image.label_id, State.PURGED, note=note)
        changed = writer.write(stored_sha256="", purge=row)
        _mark_incomplete(incomplete)
        findings.refresh_with_pairs(changed)
        # robust: where the storage fails, the purge itself still counts.
        transaction.on_commit(partial(remove_files, row), robust=True)
    return row


def remove_files(row: Purge) -> int:
    """Remove the files and thumbnails of a purge's pictures; returns how many pictures.

    May be repeated: a file that is gone is no error.
    """
    shas = set(row.images.values_list("sha256", flat=True))
    _mark_incomplete(snapshots_with(shas))  # those frozen while the purge was under way
    notes = Review.objects.filter(image__purge=row, action=Review.Action.PURGE)
    digests = {
        note.removeprefix(FILE_NOTE)
        for note in notes.values_list("note", flat=True)
        if note.startswith(FILE_NOTE)
    }
    stored = ShoeImage.objects.order_by().values_list("stored_sha256", flat=True)
    in_use = {
        digest for part in batches(digests) for digest in stored.filter(stored_sha256__in=part)
    }
    gone = sorted(digests - in_use)
    for digest in gone:
        storages["media"].delete(media_name(digest))
        thumbnails.remove(digest)
    purged.send(sender=Purge, digests=gone)
    return len(gone)


def snapshots_with(shas: set[str]) -> list[Snapshot]:
    """The complete snapshots that list one of these images (sha256), or that cannot be read."""
    found = []
    for row in Snapshot.objects.filter(incomplete=False):
        try:
            listed = any(line.sha256 in shas for line in manifest.read(row))
        except manifest.ManifestDamaged:
            logger.warning("Snapshot %s cannot be read and counts as incomplete", row.name)
            listed = bool(shas)
        if listed:
            found.append(row)
    return found


def _mark_incomplete(rows: Iterable[Snapshot]) -> None:
    Snapshot.objects.filter(pk__in=[row.pk for row in rows]).update(incomplete=True)


def _counts(images, column: str) -> list[tuple[str, int]]:
    rows = images.values_list(column).annotate(images=Count("pk")).order_by("-images", column)
    return [(value or "", number) for value, number in rows]
