"""Decisions about images: each changes the image and leaves a row of history, or does neither."""

import uuid
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max

from curation.errors import CurationError
from curation.models import Review, ShoeImage, ShoeType

State, Action = ShoeImage.State, Review.Action


class DecisionRefused(CurationError):
    """The decision makes no sense for this image."""

    code = "decision_refused"

    def __init__(self, image, why):
        super().__init__(image, why)
        self.image, self.why = image, why

    @property
    def detail(self):
        """One sentence for people."""
        return f"{self.image}: {self.why}"


@dataclass(frozen=True)
class Decided:
    """What became of a decision: primary keys of the images it changed, and of those that somebody
    had decided on since the caller looked, which it left alone."""

    batch: uuid.UUID | None
    images: list[int]
    overtaken: list[int]


def decide(action, images, by, *, label=None, note="", seen=None) -> Decided:
    """One of the decisions below, on what the caller has seen.

    `seen`: image → the newest decision on it that the caller knew (0 for none), primary keys; an
    image decided on since is left alone and reported, so that the later of two people sees what the
    earlier one did. Raises `DecisionRefused`, and changes nothing, where the decision makes no
    sense for one of the images.
    """
    raise NotImplementedError


def confirm(images, by, note="") -> uuid.UUID:
    """Somebody looked: each image shows what its label (else its proposal) says."""
    return _decide(images, by, Action.CONFIRM, State.CONFIRMED, note=note)


def reject(images, by, note="") -> uuid.UUID:
    """Each image is of no use; it stays on the disk and never comes in again."""
    return _decide(images, by, Action.REJECT, State.REJECTED, note=note)


def restore(images, by, note="") -> uuid.UUID:
    """Take rejected images back as unreviewed."""
    return _decide(images, by, Action.RESTORE, State.UNREVIEWED, note=note)


def relabel(images, label: ShoeType, by, looked=True, note="") -> uuid.UUID:
    """Give each image a label. Somebody who `looked` confirms it; a bulk change keeps the state."""
    state = State.CONFIRMED if looked else None
    return _decide(images, by, Action.RELABEL, state, label=label, note=note)


@transaction.atomic
def undo(batch: uuid.UUID, by) -> uuid.UUID:
    """Take one batch of decisions back.

    Raises `DecisionRefused`, and changes nothing, when a later decision stands on one of its
    images.
    """
    rows = {row.image_id: row for row in _decisions().filter(batch=batch)}
    newest = newest_decisions(rows)
    writer = _Writer(by, Action.UNDO)
    for image in _locked(rows):
        row = rows[image.pk]
        if newest[image.pk] != row.pk:
            raise DecisionRefused(image, "somebody has decided on it since; undo that first.")
        writer.write(image, row.label_from, row.state_from, undoes=row)
    return writer.finish()


def newest_decisions(image_ids) -> dict[int, int]:
    """Image → its newest decision, both as primary keys; images nobody decided on are left out."""
    newest = _decisions().filter(image__in=image_ids).order_by().values("image")
    return dict(newest.annotate(newest=Max("pk")).values_list("image", "newest"))


def _decisions():
    """Everything but the arrival of an image, which is no decision and is not taken back."""
    rows = Review.objects.exclude(action=Action.IMPORT)
    return rows.select_related("label_from", "label_to")


def _locked(image_ids):
    # In one order, so that two people's batches cannot wait for each other.
    images = ShoeImage.objects.select_for_update(of=("self",)).select_related("label", "proposed")
    return images.filter(pk__in=image_ids).order_by("pk")


@transaction.atomic
def _decide(images, by, action, state, label=None, note="") -> uuid.UUID:
    writer = _Writer(by, action, note)
    for image in _locked([image.pk for image in images]):
        if image.state == State.PURGED:
            raise DecisionRefused(image, "its picture was removed for good.")
        to_label = label or image.label
        if action == Action.CONFIRM:
            to_label = image.given
            if to_label is None:
                raise DecisionRefused(image, "it has no label to confirm; give it one.")
        if action == Action.RESTORE and image.state != State.REJECTED:
            raise DecisionRefused(image, "only a rejected image can be restored.")
        writer.write(image, to_label, state or image.state)
    return writer.finish()


class _Writer:
    """Collects one batch's decisions and writes images and history in a few queries."""

    def __init__(self, by, action, note=""):
        self.batch = uuid.uuid4()
        self.by, self.action, self.note = by, action, note
        self.rows, self.images = [], []

    def write(self, image, label, state, undoes=None) -> None:
        """Take one decision in."""
        self.rows.append(
            Review(
                image=image,
                by=self.by,
                action=self.action,
                batch=self.batch,
                label_from=image.label,
                label_to=label,
                state_from=image.state,
                state_to=state,
                note=self.note,
                undoes=undoes,
            )
        )
        image.label, image.state = label, state
        self.images.append(image)

    def finish(self) -> uuid.UUID:
        """Write everything; returns the batch."""
        Review.objects.bulk_create(self.rows, batch_size=500)
        ShoeImage.objects.bulk_update(self.images, ["label", "state"], batch_size=500)
        return self.batch
