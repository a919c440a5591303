"""Undo decisions: label, state and findings become what they were, in a batch of its own."""

import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from curation.decisions import history
from curation.decisions.history import DecisionRefused, Step
from curation.issues import findings, silence, write
from curation.models import Finding, Review, ShoeImage, ShoeType
from curation.models.guide import survivors
from shoeproject.batches import batches

Action, State = Review.Action, ShoeImage.State
NO_SUCH_STEP = "There is no such step."


@dataclass(frozen=True)
class SpanUndone:
    """What undoing one person's decisions of a time span did: how many decisions were undone, and
    how many images were left alone because somebody decided on them since."""

    undone: int
    overtaken: int


@transaction.atomic
def undo_batch(batch: uuid.UUID, by) -> Step:
    """Undo those decisions of one batch that still stand.

    Raises `DecisionRefused`, and changes nothing, where a later decision stands on one of its
    images, and for a purge or an undo.
    """
    undone = undo_partly(batch, by)
    if undone.overtaken:
        image = ShoeImage.objects.get(pk=undone.overtaken[0])
        raise DecisionRefused(image, "somebody has decided on it since; undo that first.")
    return undone


@transaction.atomic
def undo_partly(batch: uuid.UUID, by) -> Step:
    """`undo_batch`, but images on which a later decision stands are left alone and reported."""
    rows = list(history.standing().filter(batch=batch))
    if not rows:
        raise DecisionRefused(None, _why_not(batch))
    if any(row.action == Action.PURGE for row in rows):
        raise DecisionRefused(None, "A purge cannot be undone: its pictures are gone.")
    return _undo(rows, by)


def undo_step(batch: uuid.UUID, by) -> list[int]:
    """Undo a step of the queue: decisions, or answers to findings alone; returns its images.

    Raises `DecisionRefused`, and changes nothing, where somebody decided on one of them since.
    """
    decided = list(Review.objects.filter(batch=batch).values_list("image", flat=True))
    if decided:
        undo_batch(batch, by)
        return sorted(decided)
    answered = sorted(set(Finding.objects.filter(batch=batch).values_list("image", flat=True)))
    if not answered:
        raise DecisionRefused(None, NO_SUCH_STEP)
    silence.reopen(batch, answered)
    findings.refresh(answered)
    return answered


@transaction.atomic
def undo_on(images, by) -> int:
    """Undo, whole, the batches with the newest standing decision on each of these images (rows or
    primary keys); returns how many decisions those were. Raises what `undo_batch` raises."""
    newest = history.newest_of(history.standing(), history.primary_keys(images))
    batch_of = Review.objects.order_by("-pk").values_list("batch", flat=True)
    parts = batches(sorted(newest.values(), reverse=True))
    # A dict for its order: the newest first, as batches may share images.
    to_undo = dict.fromkeys(batch for part in parts for batch in batch_of.filter(pk__in=part))
    decided = history.standing().values_list("image", flat=True)
    history.lock_images(pk for part in batches(to_undo) for pk in decided.filter(batch__in=part))
    return sum(len(undo_batch(batch, by).images) for batch in to_undo)


@transaction.atomic
def undo_span(who, since: datetime, until: datetime, by) -> SpanUndone:
    """Undo all that one person decided from `since` until before `until`, newest first.

    Images on which a later decision stands are left alone.
    """
    rows = list(decisions_in_span(who, since, until).order_by("-pk"))
    history.lock_images({row.image_id for row in rows})
    undone, overtaken = 0, set()
    while rows:
        # One round undoes one decision of each image; most have no more than one.
        newest = {row.image_id: row for row in reversed(rows)}
        result = _undo(list(newest.values()), by)
        undone += len(result.images)
        overtaken.update(result.overtaken)
        done = {row.pk for row in newest.values()}
        rows = [row for row in rows if row.pk not in done and row.image_id not in overtaken]
    return SpanUndone(undone, len(overtaken))


def decisions_in_span(who, since: datetime, until: datetime):
    """The decisions that `undo_span` would try to undo, as a queryset."""
    decisions = history.standing().exclude(action=Action.PURGE)
    return decisions.filter(by=who, at__gte=since, at__lt=until)


def _why_not(batch: uuid.UUID) -> str:
    actions = set(Review.objects.filter(batch=batch).values_list("action", flat=True))
    if not actions:
        return NO_SUCH_STEP
    if Action.UNDO in actions:
        return "This step took another one back; to change the images again, decide anew."
    if Action.IMPORT in actions:
        return "An image's arrival is no decision; reject the image instead."
    return "This step was taken back already."


def _undo(rows: list[Review], by) -> Step:
    """Undo these decisions, at most one of each image."""
    by_image = {row.image_id: row for row in rows}
    locked = history.lock_images(by_image)
    newest = history.newest_of(history.standing(), by_image)
    overtaken = {image.pk for image in locked if newest.get(image.pk) != by_image[image.pk].pk}
    to_undo = [row for row in by_image.values() if row.image_id not in overtaken]
    history.unmerge(to_undo)
    standing_types = survivors(ShoeType.objects.all())
    writer = history.Writer(by, Action.UNDO)
    for image in locked:
        if image.pk not in overtaken:
            row = by_image[image.pk]
            # The label may have been merged since.
            label = row.label_from_id and standing_types[row.label_from_id].pk
            writer.add(image, label, row.state_from, undoes=row)
    changed = writer.write()
    _restore_findings(to_undo)
    findings.refresh_with_pairs(changed)
    return Step(writer.batch if changed else None, changed, sorted(overtaken))


def _restore_findings(rows: list[Review]) -> None:
    """Let findings stand as they did before these decisions, which are marked as undone."""
    decided = defaultdict(list)
    for row in rows:
        decided[row.batch].append(row.image_id)
    for batch, image_ids in decided.items():
        silence.reopen(batch, image_ids)
    restored = [row.image_id for row in rows if row.action == Action.RESTORE]
    for batch, rejected in history.rejections(restored).items():
        rejecter = Review.objects.filter(batch=batch).select_related("by")[0].by
        silence.answer(rejected, Finding.Outcome.ACTED, rejecter, batch)
    if no_longer_left := [row.image_id for row in rows if row.action == Action.LEAVE]:
        write.remove_findings(no_longer_left, "left")
    for image, note in _left_without_finding(row.image_id for row in rows):
        write.add_finding(image, "left", note=note)


def _left_without_finding(image_ids):
    """Yield (image, note) for images whose newest standing decision left them to a colleague, but
    that have no finding of it."""
    # A bulk relabel answers no findings, so an image that was left before it still is.
    looked = history.standing().exclude(
        action=Action.RELABEL, state_to__in=[State.UNREVIEWED, State.REJECTED]
    )
    leaves = Review.objects.filter(action=Action.LEAVE, undone_by=None)
    for part in batches(image_ids):
        candidates = list(leaves.filter(image__in=part).values_list("image", flat=True))
        newest = history.newest_of(looked, candidates)
        open_findings = findings.unanswered().filter(image__in=candidates, reason="left")
        with_finding = set(open_findings.values_list("image", flat=True))
        rows = leaves.filter(pk__in=newest.values()).select_related("image")
        yield from ((row.image, row.note) for row in rows if row.image_id not in with_finding)
