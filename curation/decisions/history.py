"""The history of decisions: lock images, write them together with their history, read it back."""

import hashlib
import re
import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Max, QuerySet

from curation.errors import CurationError
from curation.issues import findings
from curation.models import Review, ShoeImage, ShoeType
from shoeproject.batches import BATCH_SIZE, batches

Action = Review.Action
MERGED = "Type merged: "
MERGED_NOTE = re.compile(MERGED + r"(\S+) into (\S+) \((label|proposal|both)\)")


class DecisionRefused(CurationError):
    """The decision makes no sense for this image; `image` is None where it does for no image."""

    image: ShoeImage | None
    why: str
    code = "decision_refused"
    status = 409
    message = "{about}{why}"

    @property
    def about(self) -> str:
        """The image, to begin the message with; empty without one."""
        return f"{self.image}: " if self.image else ""


@dataclass(frozen=True)
class Step:
    """One batch of decisions, or of undone ones, as it was made: its id (None where it changed no
    image), and primary keys of the images it changed and of those it left alone, because somebody
    decided on them since."""

    batch: uuid.UUID | None
    images: list[int]
    overtaken: list[int]


def primary_keys(images) -> list[int]:
    """Primary keys of images that are given as a queryset, as rows or as primary keys."""
    if isinstance(images, QuerySet):
        return list(images.values_list("pk", flat=True))
    return [getattr(image, "pk", image) for image in images]


def with_picture(images):
    """Those of these images (a queryset) that are not purged, as a query of its own: the one given
    may have an order, joins or a limit."""
    chosen = ShoeImage.objects.filter(pk__in=images.values("pk"))
    return chosen.exclude(state=ShoeImage.State.PURGED).order_by()


def fingerprint(rows: Iterable) -> str:
    """Digest of rows in any order, to tell whether they are still those that a person was shown."""
    return hashlib.sha256("\n".join(sorted(map(str, rows))).encode()).hexdigest()


def lock_images(image_ids: Iterable[int]) -> list[ShoeImage]:
    """Lock these images until the transaction ends; returns them by primary key.

    Their copies are locked too, because a decision on one changes the findings on the other. All
    are locked in one order, so that two people's decisions cannot wait for each other.
    """
    wanted = set(image_ids)
    images = []
    for part in batches(sorted(wanted | findings.copies_of(wanted))):
        rows = (
            ShoeImage.objects.select_for_update(of=("self",))
            .filter(pk__in=part)
            # What decisions are made from; other columns are fetched when they are first read.
            .only("sha256", "stored_sha256", "label", "proposed", "given_key", "state")
        )
        images += [image for image in rows.order_by("pk") if image.pk in wanted]
    return images


def newest_decisions(image_ids) -> dict[int, int]:
    """Image → its newest decision, both as primary keys; images nobody decided on are left out."""
    return newest_of(Review.objects.exclude(action=Action.IMPORT), image_ids)


def undoable():
    """All decisions that can be undone or were: all but an image's arrival, and an undo."""
    return Review.objects.exclude(action__in=[Action.IMPORT, Action.UNDO])


def standing():
    """All decisions that can be undone and were not."""
    return undoable().filter(undone_by=None)


def rejections(image_ids) -> dict[uuid.UUID, list[int]]:
    """Batch → the images that it rejected, for the newest standing rejection of each image."""
    newest = newest_of(standing().filter(action=Action.REJECT), image_ids)
    by_batch = defaultdict(list)
    for part in batches(newest.values()):
        for batch, image in Review.objects.filter(pk__in=part).values_list("batch", "image"):
            by_batch[batch].append(image)
    return by_batch


def merged_note(merged: ShoeType, into: ShoeType, what: str) -> str:
    """Note in the history of an image that a merge changed; `what`: "label", "proposal", "both"."""
    return f"{MERGED}{merged.slug} into {into.slug} ({what})"


def unmerge(rows: Iterable[Review]) -> None:
    """Undo what merges did besides labels, for those of these decisions that were part of one:
    `merged_into` of the merged type, and the proposals."""
    proposals, pairs = defaultdict(list), set()
    for row in rows:
        if match := row.action == Action.RELABEL and MERGED_NOTE.fullmatch(row.note):
            merged, into, what = match.groups()
            pairs.add((merged, into))
            if what != "label":
                proposals[merged, into].append(row.image_id)
    for merged, into in pairs:
        ShoeType.objects.filter(slug=merged, merged_into__slug=into).update(merged_into=None)
    for (merged, into), image_ids in proposals.items():
        back = ShoeType.objects.get(slug=merged)
        for part in batches(image_ids):
            ShoeImage.objects.filter(pk__in=part, proposed__slug=into).update(proposed=back)


def newest_of(rows, image_ids) -> dict[int, int]:
    """Image → the newest of these decisions on it, both as primary keys."""
    newest = {}
    for part in batches(image_ids):
        of_image = rows.filter(image__in=part).order_by().values("image")
        newest.update(of_image.annotate(newest=Max("pk")).values_list("image", "newest"))
    return newest


class Writer:
    """Collect one batch's decisions and write images and history in a few queries."""

    def __init__(self, by, action, note=""):
        self.batch = uuid.uuid4()
        self.by, self.action, self.note = by, action, note
        self.rows = []

    def add(self, image, label: int | None, state, undoes=None, note="") -> None:
        """Add a decision that gives an image this label (a primary key) and state."""
        self.rows.append(
            Review(
                image=image,
                by=self.by,
                action=self.action,
                batch=self.batch,
                label_from_id=image.label_id,
                label_to_id=label,
                state_from=image.state,
                state_to=state,
                note=note or self.note,
                undoes=undoes,
            )
        )

    def write(self, **also) -> list[int]:
        """Write all decisions, and the fields `also` on every image; returns the images."""
        Review.objects.bulk_create(self.rows, batch_size=BATCH_SIZE)
        alike = defaultdict(list)
        for row in self.rows:
            alike[row.label_to_id, row.state_to].append(row.image_id)
        for (label, state), image_ids in alike.items():
            for part in batches(image_ids):
                ShoeImage.objects.filter(pk__in=part).update(label=label, state=state, **also)
        return [row.image_id for row in self.rows]
