"""Decide on images: each decision changes the image and adds a row of history, or does neither."""

from django.db import transaction

from curation.decisions import history
from curation.decisions.history import DecisionRefused, Step
from curation.issues import findings, silence, write
from curation.issues.reasons import DUPLICATES
from curation.models import Finding, Review, ShoeImage

State, Action, Outcome = ShoeImage.State, Review.Action, Finding.Outcome
# The state each decision leads to; None keeps the state.
LEADS_TO = {
    Action.CONFIRM: State.CONFIRMED,
    Action.RELABEL: State.CONFIRMED,
    Action.REJECT: State.REJECTED,
    Action.RESTORE: State.UNREVIEWED,
    Action.LEAVE: None,
}
NOTE_LENGTH = Review._meta.get_field("note").max_length


@transaction.atomic
def decide(action, images, by, *, label=None, note="", seen=None, looked=True) -> Step:
    """Decide on images as the caller has seen them; `action` is a key of `LEADS_TO`.

    `images`: rows or primary keys. `seen`: image → the newest decision on it that the caller knew
    (0 or left out for none), primary keys; an image decided on since is left alone and reported, so
    that the later of two people sees what the earlier one did. `looked`: whether somebody looked at
    each image; without it, as in a bulk change, neither state nor findings change. Raises
    `DecisionRefused`, and changes nothing, where the decision makes no sense for one of the images.

    Confirming makes the label, else the proposal, the image's label; where `label` was merged, the
    type that stands for it is given. Rejected images stay on the disk and are never collected
    again; restored ones are unreviewed. An image left to a colleague keeps label and state.
    """
    note = note.strip()
    _check(action, label, note)
    label = label.survivor() if label else None
    locked = history.lock_images(history.primary_keys(images))
    overtaken = set()
    if seen is not None:
        newest = history.newest_decisions([image.pk for image in locked])
        overtaken = {i.pk for i in locked if newest.get(i.pk, 0) != int(seen.get(i.pk) or 0)}
    writer = history.Writer(by, action, note)
    for image in locked:
        if image.pk not in overtaken:
            writer.add(image, *_label_and_state(action, image, label, looked))
    changed = writer.write()
    if looked:
        _answer_findings(action, changed, writer)
    findings.refresh_with_pairs(changed)
    return Step(writer.batch if changed else None, changed, sorted(overtaken))


def _check(action, label, note: str) -> None:
    if action not in LEADS_TO:
        raise DecisionRefused(None, f"There is no decision “{action}”.")
    if action == Action.RELABEL and label is None:
        raise DecisionRefused(None, "Choose the label to give.")
    if action == Action.LEAVE and not note:
        raise DecisionRefused(None, "Write a note: what should a colleague look at?")
    if len(note) > NOTE_LENGTH:
        raise DecisionRefused(None, f"Shorten the note to {NOTE_LENGTH} characters.")


def _label_and_state(action, image, label, looked) -> tuple[int | None, str]:
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


def _answer_findings(action, image_ids, writer: history.Writer) -> None:
    if action in (Action.CONFIRM, Action.RELABEL, Action.REJECT):
        outcome = Outcome.KEPT if action == Action.CONFIRM else Outcome.ACTED
        but = DUPLICATES if action == Action.RELABEL else ()
        silence.answer(image_ids, outcome, writer.by, writer.batch, but)
    elif action == Action.RESTORE:
        for rejected_in, restored in history.rejections(image_ids).items():
            silence.reopen(rejected_in, restored)
    elif action == Action.LEAVE:
        for image in ShoeImage.objects.filter(pk__in=image_ids):
            write.add_finding(image, "left", note=writer.note)
