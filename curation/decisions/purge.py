"""Pictures removed for good: what stays is that they were here, and why they went.

Rows first, in one transaction; then files, which `remove_files` may be asked for again.
"""

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

from django.core.files.storage import storages
from django.db import transaction
from django.db.models import Count, F, Q, Value
from django.db.models.functions import Substr
from django.dispatch import Signal

from curation import ingest, thumbnails
from curation.decisions import history
from curation.errors import CurationError
from curation.issues import findings
from curation.models import Purge, Review, ShoeImage, Snapshot
from curation.models.image import media_name
from curation.snapshots import freeze

logger = logging.getLogger(__name__)
State = ShoeImage.State
# Sent with `digests`, a list: these stored pictures are gone, drop every copy of them.
purged = Signal()
FILE_NOTE = "Its file was "
WHOLE_URL = re.compile(r"https?://[^/\s]+", re.IGNORECASE)
URLS = ("page_url", "file_url")
EVERYTHING_FROM = "Everything from "
WORDED = 50  # images that a scope names one by one


class PurgeRefused(CurationError):
    """Nothing was purged, because of `why`, a sentence."""

    why: str
    code = "purge_refused"
    message = "{why}"


@dataclass(frozen=True)
class Scope:
    """Which images are meant: `kind` is "images" (`value`: primary keys, comma-separated),
    "domain" (a host, with all below it) or "url" (the beginning of a page's or a file's)."""

    kind: str
    value: str

    def images(self):
        """The images that have a picture; raises `PurgeRefused` for what means none."""
        images = ShoeImage.objects.exclude(state=State.PURGED).order_by()
        if self.kind == "domain" and self.value.strip(". "):
            host = self.value.strip(". ").lower()
            return images.filter(Q(domain__iexact=host) | Q(domain__iendswith=f".{host}"))
        if self.kind == "url" and WHOLE_URL.match(url := self.value.strip()):
            # Not `startswith`, to which capital letters are the same in some databases.
            start = {f"{name}_start": Substr(name, 1, len(url)) for name in URLS}
            meant = Q(page_url_start=Value(url)) | Q(file_url_start=Value(url))
            return images.annotate(**start).filter(meant)
        if self.kind == "images" and (chosen := self._chosen()):
            return images.filter(pk__in=chosen)
        raise PurgeRefused("Choose images, write a host such as shop.example, or a whole address.")

    @property
    def words(self) -> str:
        """For people, as the purge's row keeps it."""
        if self.kind == "images":
            chosen = self._chosen()
            more = f" and {len(chosen) - WORDED} more" if len(chosen) > WORDED else ""
            return f"Images {', '.join(map(str, chosen[:WORDED]))}{more}"
        return f"{EVERYTHING_FROM}{self.value.strip()}"

    def _chosen(self) -> list[int]:
        # Up to 17 digits: a database knows no larger numbers.
        return [int(key) for key in re.findall(r"\b[0-9]{1,17}\b", self.value)]


@dataclass(frozen=True)
class Preview:
    """What would go: how many images, of which domains, labels and states ([(name, images)], most
    first), and the snapshots that become incomplete. `expected`: what `purge` wants to hear."""

    images: int
    domains: list[tuple[str, int]]
    labels: list[tuple[str, int]]
    states: list[tuple[str, int]]
    snapshots: list[Snapshot]
    expected: str


def taken_down() -> Callable[[str, str], bool]:
    """A test for a page's and a file's address: whether all from there was purged once, by host or
    by the beginning of an address, so that nothing from there is brought in again."""
    scopes = Purge.objects.filter(scope__startswith=EVERYTHING_FROM).values_list("scope", flat=True)
    values = {scope.removeprefix(EVERYTHING_FROM) for scope in scopes}
    starts = tuple(value for value in values if WHOLE_URL.match(value))
    hosts = {v.strip(". ").lower().removeprefix("www.") for v in values if not WHOLE_URL.match(v)}

    def down(page_url: str, file_url: str) -> bool:
        for url in filter(None, (page_url, file_url)):
            parts = ingest.domain_of(url).split(".")
            above = {".".join(parts[i:]) for i in range(len(parts))}
            if url.startswith(starts) or above & hosts:
                return True
        return False

    return down


def preview(images) -> Preview:
    """What purging these images (a queryset) would remove."""
    chosen = _with_picture(images)
    rows = list(chosen.values_list("pk", "sha256"))
    return Preview(
        images=len(rows),
        domains=_counts(chosen, "domain"),
        labels=_counts(chosen, "label__name"),
        states=_counts(chosen, "state"),
        snapshots=listing({sha256 for _, sha256 in rows}),
        expected=history.fingerprint(pk for pk, _ in rows),
    )


def purge(images, by, why: str, scope: str, expected: str | None = None) -> Purge:
    """Remove the pictures of these images (a queryset) for good.

    `by` is None where a picture's giver takes it back. Rows stay as tombstones with their digest
    and perceptual hash, so that none of them comes back; snapshots that list one become incomplete.
    Files go once the transaction is committed. Raises `PurgeRefused` without a reason, without
    images, and where the images are no longer those of the preview whose `expected` is given.
    """
    if not why.strip():
        raise PurgeRefused("Say why these pictures have to go; it is kept.")
    rows = list(_with_picture(images).values_list("pk", "sha256"))
    incomplete = listing({sha256 for _, sha256 in rows})
    with transaction.atomic():
        locked = history.locked(pk for pk, _ in rows)
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
            # The one place where it stays known which file has to go, until it has gone.
            note = f"{FILE_NOTE}{image.stored_sha256}"
            writer.write(image, image.label_id, State.PURGED, note=note)
        changed = writer.finish(stored_sha256="", purge=row)
        _mark_incomplete(incomplete)
        findings.refresh_with_pairs(changed)
        # A storage that is away must not make the page say that nothing was purged.
        transaction.on_commit(partial(remove_files, row), robust=True)
    return row


def remove_files(row: Purge) -> int:
    """Remove the files of a purge's pictures, and whatever was made of them; returns how many.

    May be repeated: a file that is gone is no error.
    """
    shas = set(row.images.values_list("sha256", flat=True))
    _mark_incomplete(listing(shas))  # one that was frozen while the purge was under way
    notes = Review.objects.filter(image__purge=row, action=Review.Action.PURGE)
    digests = {
        note.removeprefix(FILE_NOTE)
        for note in notes.values_list("note", flat=True)
        if note.startswith(FILE_NOTE)
    }
    in_use = set()
    for part in history.batches(digests):
        using = ShoeImage.objects.filter(stored_sha256__in=part)
        in_use.update(using.values_list("stored_sha256", flat=True))
    gone = sorted(digests - in_use)
    for digest in gone:
        storages["media"].delete(media_name(digest))
        thumbnails.remove(digest)
    purged.send(sender=Purge, digests=gone)
    return len(gone)


def listing(shas: set[str]) -> list[Snapshot]:
    """The complete snapshots that list one of these images, or cannot be read to tell."""
    found = []
    for row in Snapshot.objects.filter(incomplete=False):
        try:
            listed = any(line.sha256 in shas for line in freeze.read(row))
        except freeze.ManifestDamaged:
            logger.warning("Snapshot %s cannot be read and counts as incomplete", row.name)
            listed = bool(shas)
        if listed:
            found.append(row)
    return found


def _mark_incomplete(rows: Iterable[Snapshot]) -> None:
    Snapshot.objects.filter(pk__in=[row.pk for row in rows]).update(incomplete=True)


def _with_picture(images):
    chosen = ShoeImage.objects.filter(pk__in=images.values("pk"))
    return chosen.exclude(state=State.PURGED).order_by()


def _counts(images, column: str) -> list[tuple[str, int]]:
    rows = images.annotate(what=F(column)).values("what").annotate(images=Count("pk"))
    return [(row["what"] or "", row["images"]) for row in rows.order_by("-images", "what")]
