"""Decisions about images: each changes the image and leaves a row of history, or does neither."""

import uuid
from dataclasses import dataclass

from django.db import transaction

from curation.decisions import history
from curation.decisions.history import DecisionRefused, newest_decisions
from curation.decisions.undo import span, undo, undo_last, undo_on, undo_span
from curation.issues import findings
from curation.issues.reasons import DUPLICATES
from curation.models import Finding, Review, ShoeImage, ShoeType

__all__ = [
    "Decided",
    "DecisionRefused",
    "confirm",
    "decide",
    "leave",
    "newest_decisions",
    "reject",
    "relabel",
    "restore",
    "span",
    "undo",
    "undo_last",
    "undo_on",
    "undo_span",
]

State, Action, Outcome = ShoeImage.State, Review.Action, Finding.Outcome
# The state each decision leads to; None keeps the one there is.
LEADS_TO = {
    Action.CONFIRM: State.CONFIRMED,
    Action.RELABEL: State.CONFIRMED,
    Action.REJECT: State.REJECTED,
    Action.RESTORE: State.UNREVIEWED,
    Action.LEAVE: None,
}
NOTE_LENGTH = Review._meta.get_field("note").max_length


@dataclass(frozen=True)
class Decided:
    """What became of a decision: primary keys of the images it changed, and of those that somebody
    had decided on since the caller looked, which it left alone. No batch where it changed none."""

    batch: uuid.UUID | None
    images: list[int]
    overtaken: list[int]


def decide(action, images, by, *, label=None, note="", seen=None) -> Decided:
    """One of the decisions below, on what the caller has seen.

    `images`: rows or primary keys. `seen`: image → the newest decision on it that the caller knew
    (0 or left out for none), primary keys; an image decided on since is left alone and reported, so
    that the later of two people sees what the earlier one did. Raises `DecisionRefused`, and
    changes nothing, where the decision makes no sense for one of the images.
    """
    return _decide(action, images, by, label, note, seen)


def confirm(images, by, note="") -> uuid.UUID | None:
    """Somebody looked: each image shows what its label (else its proposal) says."""
    return _decide(Action.CONFIRM, images, by, note=note).batch


def reject(images, by, note="") -> uuid.UUID | None:
    """Each image is of no use; it stays on the disk and never comes in again."""
    return _decide(Action.REJECT, images, by, note=note).batch


def restore(images, by, note="") -> uuid.UUID | None:
    """Take rejected images back as unreviewed."""
    return _decide(Action.RESTORE, images, by, note=note).batch


def relabel(images, label: ShoeType, by, looked=True, note="") -> uuid.UUID | None:
    """Give each image a label. Somebody who `looked` confirms it; a bulk change keeps the state
    and answers nothing that is said against the image.

    A type that was merged stands for the one it was merged into.
    """
    return _decide(Action.RELABEL, images, by, label, note, looked=looked).batch


def leave(images, by, note: str) -> uuid.UUID | None:
    """Leave each image to a colleague, who reads the note in the queue; nothing else changes."""
    return _decide(Action.LEAVE, images, by, note=note).batch


@transaction.atomic
def _decide(action, images, by, label=None, note="", seen=None, looked=True) -> Decided:
    note = note.strip()
    _check_asked(action, label, note)
    label = label.survivor() if label else None
    locked = history.locked(history.keys(images))
    overtaken = []
    if seen is not None:
        newest = newest_decisions([image.pk for image in locked])
        overtaken = [i.pk for i in locked if newest.get(i.pk, 0) != int(seen.get(i.pk) or 0)]
    writer, left_alone = history.Writer(by, action, note), set(overtaken)
    for image in locked:
        if image.pk not in left_alone:
            writer.write(image, *_becomes(action, image, label, looked))
    changed = writer.finish()
    if not changed:
        return Decided(None, [], overtaken)
    if looked:
        _answer(action, changed, writer)
    findings.refresh_with_pairs(changed)
    return Decided(writer.batch, changed, overtaken)


def _check_asked(action, label, note: str) -> None:
    if action not in LEADS_TO:
        raise DecisionRefused(None, f"There is no decision “{action}”.")
    if action == Action.RELABEL and label is None:
        raise DecisionRefused(None, "Choose the label to give.")
    if action == Action.LEAVE and not note:
        raise DecisionRefused(None, "Write a note: what should a colleague look at?")
    if len(note) > NOTE_LENGTH:
        raise DecisionRefused(None, f"Shorten the note to {NOTE_LENGTH} characters.")


def _becomes(action, image, label, looked) -> tuple[int | None, str]:
    """Label (its primary key) and state that the decision gives an image."""
    if image.state == State.PURGED:
        raise DecisionRefused(image, "its picture was removed for good.")
    if action == Action.CONFIRM and image.given_key is None:
        raise DecisionRefused(image, "it has no label to confirm; give it one.")
    if action == Action.RESTORE and image.state != State.REJECTED:
        raise DecisionRefused(image, "only a rejected image can be restored.")
    state = LEADS_TO[action] if looked else None
    given = {Action.CONFIRM: image.given_key, Action.RELABEL: label and label.pk}
    return given.get(action, image.label_id), state or image.state


def _answer(action, image_ids, writer: history.Writer) -> None:
    """What the decision says about the findings on these images."""
    batch, by = writer.batch, writer.by
    if action == Action.CONFIRM:
        findings.answer(image_ids, Outcome.KEPT, by, batch)
    elif action == Action.RELABEL:
        findings.answer(image_ids, Outcome.ACTED, by, batch, but=DUPLICATES)
    elif action == Action.REJECT:
        findings.answer(image_ids, Outcome.ACTED, by, batch)
    elif action == Action.RESTORE:
        for rejected_in, restored in history.rejections(image_ids).items():
            findings.reopen(rejected_in, restored)
    elif action == Action.LEAVE:
        for image in ShoeImage.objects.filter(pk__in=image_ids):
            findings.say(image, "left", note=writer.note)
