"""Decisions taken back: label, state and findings become what they were, in a step of its own."""

import uuid
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from curation.decisions import history
from curation.decisions.history import DecisionRefused
from curation.issues import findings
from curation.models import Finding, Review, ShoeImage, ShoeType

Action, State = Review.Action, ShoeImage.State


@dataclass(frozen=True)
class Undone:
    """What became of an undo: its own batch (None where it changed nothing), primary keys of the
    images it changed, and of those it left alone because somebody decided on them since."""

    batch: uuid.UUID | None
    images: list[int]
    overtaken: list[int]


@dataclass(frozen=True)
class SpanUndone:
    """What became of one person's decisions in a time span: how many were taken back, and on how
    many images none could be, because somebody decided on them since."""

    undone: int
    overtaken: int


@transaction.atomic
def undo(batch: uuid.UUID, by) -> uuid.UUID:
    """Take one batch of decisions back; what of it was taken back before is no part of it.

    Raises `DecisionRefused`, and changes nothing, when a later decision stands on one of its
    images, and for what cannot be taken back: a purge, and an undo.
    """
    taken = take_back(batch, by)
    if taken.overtaken:
        image = ShoeImage.objects.get(pk=taken.overtaken[0])
        raise DecisionRefused(image, "somebody has decided on it since; undo that first.")
    return taken.batch


@transaction.atomic
def take_back(batch: uuid.UUID, by) -> Undone:
    """`undo`, but images on which a later decision stands are left alone and reported."""
    rows = list(history.steps().filter(batch=batch, undone_by=None))
    if not rows:
        raise DecisionRefused(None, _why_not(batch))
    if any(row.action == Action.PURGE for row in rows):
        raise DecisionRefused(None, "A purge cannot be undone: its pictures are gone.")
    return _take_back(rows, by)


@transaction.atomic
def undo_last(by) -> Undone | None:
    """Take back the newest step of this person that still stands; None where there is none.

    Raises `DecisionRefused` as `undo` does.
    """
    newest = _standing_of(by).order_by("-pk").first()
    if newest is None:
        return None
    images = list(_standing_of(by).filter(batch=newest.batch).values_list("image", flat=True))
    return Undone(undo(newest.batch, by), sorted(images), [])


@transaction.atomic
def undo_on(images, by) -> int:
    """Take back, whole, the steps that hold the newest standing decision on each of these images
    (rows or primary keys); returns how many decisions that were. Raises what `undo` raises."""
    standing = history.standing_decisions(history.keys(images))
    steps = {}
    for part in history.batches(sorted(standing.values(), reverse=True)):
        rows = Review.objects.filter(pk__in=part).order_by("-pk")
        steps |= dict.fromkeys(rows.values_list("batch", flat=True))
    concerned = set()
    for part in history.batches(steps):
        rows = history.steps().filter(batch__in=part, undone_by=None)
        concerned.update(rows.values_list("image", flat=True))
    history.locked(concerned)
    batches = [undo(step, by) for step in steps]  # the newest first: they may share images
    return Review.objects.filter(batch__in=batches).count()


@transaction.atomic
def undo_span(who, since: datetime, until: datetime, by) -> SpanUndone:
    """Take back all that one person decided from `since` until before `until`, newest first.

    Images on which a later decision stands are left alone.
    """
    rows = list(span(who, since, until).order_by("-pk"))
    history.locked({row.image_id for row in rows})
    undone, overtaken = 0, set()
    while rows:
        # One round takes back one decision of each image; most have no more than one.
        newest = {row.image_id: row for row in reversed(rows)}
        taken = _take_back(list(newest.values()), by)
        undone += len(taken.images)
        overtaken.update(taken.overtaken)
        done = {row.pk for row in newest.values()}
        rows = [row for row in rows if row.pk not in done and row.image_id not in overtaken]
    return SpanUndone(undone, len(overtaken))


def span(who, since: datetime, until: datetime):
    """The decisions that `undo_span` would try to take back, as a queryset."""
    return _standing_of(who).filter(at__gte=since, at__lt=until)


def _standing_of(who):
    return history.steps().filter(by=who, undone_by=None).exclude(action=Action.PURGE)


def _why_not(batch: uuid.UUID) -> str:
    actions = set(Review.objects.filter(batch=batch).values_list("action", flat=True))
    if not actions:
        return "There is no such step."
    if Action.UNDO in actions:
        return "This step took another one back; to change the images again, decide anew."
    if Action.IMPORT in actions:
        return "An image's arrival is no decision; reject the image instead."
    return "This step was taken back already."


def _take_back(rows: list[Review], by) -> Undone:
    """Take back these decisions, at most one of each image."""
    by_image = {row.image_id: row for row in rows}
    locked = history.locked(by_image)
    standing = history.standing_decisions(by_image)
    overtaken = [image.pk for image in locked if standing.get(image.pk) != by_image[image.pk].pk]
    left_alone = set(overtaken)
    back = [row for row in by_image.values() if row.image_id not in left_alone]
    history.unmerge(back)
    labels = {shoe_type.pk: shoe_type for shoe_type in ShoeType.objects.all()}
    writer = history.Writer(by, Action.UNDO)
    for image in locked:
        if image.pk not in left_alone:
            row = by_image[image.pk]
            # A type that was merged meanwhile gets no images back.
            label = row.label_from_id and labels[row.label_from_id].survivor().pk
            writer.write(image, label, row.state_from, undoes=row)
    changed = writer.finish()
    if not changed:
        return Undone(None, [], overtaken)
    _take_answers_back(back)
    findings.refresh_with_pairs(changed)
    return Undone(writer.batch, changed, overtaken)


def _take_answers_back(rows: Iterable[Review]) -> None:
    """Let findings stand as they did before these decisions, which are marked as undone."""
    steps, restored, image_ids = defaultdict(list), [], []
    for row in rows:
        steps[row.batch].append(row.image_id)
        image_ids.append(row.image_id)
        if row.action == Action.RESTORE:
            restored.append(row.image_id)
    for batch, decided in steps.items():
        findings.reopen(batch, decided)
    for batch, rejected in history.rejections(restored).items():
        rejecter = Review.objects.filter(batch=batch).select_related("by")[0].by
        findings.answer(rejected, Finding.Outcome.ACTED, rejecter, batch)
    took_leave = [row.image_id for row in rows if row.action == Action.LEAVE]
    if took_leave:
        findings.unsay(took_leave, "left")
    for image, note in _left(image_ids):
        findings.say(image, "left", note=note)


def _left(image_ids):
    """Images that are left to a colleague by what stands, but no longer say so; with the note."""
    # A change in bulk answers nothing, so what was left before it still is.
    looked = history.steps().exclude(
        action=Action.RELABEL, state_to__in=[State.UNREVIEWED, State.REJECTED]
    )
    leaves = Review.objects.filter(action=Action.LEAVE, undone_by=None)
    for part in history.batches(image_ids):
        candidates = list(leaves.filter(image__in=part).values_list("image", flat=True))
        newest = history.newest_of(looked.filter(undone_by=None), candidates)
        said = findings.unanswered().filter(image__in=candidates, reason="left")
        saying = set(said.values_list("image", flat=True))
        rows = leaves.filter(pk__in=newest.values()).select_related("image")
        yield from ((row.image, row.note) for row in rows if row.image_id not in saying)
