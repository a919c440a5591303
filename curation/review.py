"""Decisions about images: each changes the image and leaves a row of history, or does neither."""

import uuid

from django.db import transaction

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
    """Take one batch of decisions back, each where nothing was decided since.

    Raises `DecisionRefused`, and changes nothing, when a later decision stands on one of them.
    """
    rows = Review.objects.filter(batch=batch).exclude(action=Action.IMPORT)
    rows = list(rows.select_related("image", "label_from", "label_to").order_by("-id"))
    new_batch = uuid.uuid4()
    for row in rows:
        image = ShoeImage.objects.select_for_update().get(pk=row.image_id)
        if image.reviews.filter(pk__gt=row.pk).exists():
            raise DecisionRefused(image, "somebody has decided on it since; undo that first.")
        _write(image, by, Action.UNDO, row.label_from, row.state_from, new_batch, undoes=row)
    return new_batch


@transaction.atomic
def _decide(images, by, action, state, label=None, note="") -> uuid.UUID:
    batch = uuid.uuid4()
    keys = [image.pk for image in images]
    # Locked in one order, so that two people's batches cannot wait for each other.
    locked = ShoeImage.objects.select_for_update(of=("self",)).select_related("label", "proposed")
    for image in locked.filter(pk__in=keys).order_by("pk"):
        if image.state == State.PURGED:
            raise DecisionRefused(image, "its picture was removed for good.")
        to_label = label or image.label
        if action == Action.CONFIRM:
            to_label = image.given
            if to_label is None:
                raise DecisionRefused(image, "it has no label to confirm; give it one.")
        if action == Action.RESTORE and image.state != State.REJECTED:
            raise DecisionRefused(image, "only a rejected image can be restored.")
        _write(image, by, action, to_label, state or image.state, batch, note=note)
    return batch


def _write(image, by, action, label, state, batch, note="", undoes=None) -> None:
    Review.objects.create(
        image=image,
        by=by,
        action=action,
        batch=batch,
        label_from=image.label,
        label_to=label,
        state_from=image.state,
        state_to=state,
        note=note,
        undoes=undoes,
    )
    image.label, image.state = label, state
    image.save(update_fields=["label", "state"])
