"""One type taken into another: its images' labels, what was proposed, and the pointer."""

import uuid
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, Q

from curation.decisions import history, undo
from curation.errors import CurationError
from curation.issues import findings
from curation.models import Review, ShoeImage, ShoeType

State = ShoeImage.State


class MergeRefused(CurationError):
    """These two types cannot be merged."""

    merged: ShoeType
    into: ShoeType
    why: str
    code = "merge_refused"
    message = "“{merged}” cannot be merged into “{into}”: {why}"


@dataclass(frozen=True)
class Merged:
    """What a merge did: its batch (None where no image was concerned), the type that took the
    images, how many got its label and for how many it is now what was proposed."""

    batch: uuid.UUID | None
    into: ShoeType
    labels: int
    proposals: int


@dataclass(frozen=True)
class Preview:
    """What a merge would do: the type that takes the images, how many bear the label, of these how
    many are confirmed and how many rejected, and for how many the type is only proposed."""

    into: ShoeType
    labels: int
    confirmed: int
    rejected: int
    proposals: int


def preview(merged: ShoeType, into: ShoeType) -> Preview:
    """What `merge` would do; raises what it raises."""
    into = _taker(merged, into)
    labelled = Q(label=merged)
    counts = _images(merged).aggregate(
        labels=Count("pk", filter=labelled),
        confirmed=Count("pk", filter=labelled & Q(state=State.CONFIRMED)),
        rejected=Count("pk", filter=labelled & Q(state=State.REJECTED)),
        proposals=Count("pk", filter=Q(proposed=merged)),
    )
    return Preview(into, **counts)


@transaction.atomic
def merge(merged: ShoeType, into: ShoeType, by) -> Merged:
    """Give every image of one type to another, whatever its state, and let older models' answers
    follow. Into a type that was itself merged means into the one that took it.

    Done again, it moves what still came in under the merged type. Raises `MergeRefused`.
    """
    # Without the keys, so that nobody who labels an image meanwhile waits for this.
    rows = ShoeType.objects.select_for_update(no_key=True).filter(pk__in=[merged.pk, into.pk])
    here = {row.pk: row for row in rows.order_by("pk")}
    merged, into = here[merged.pk], here[into.pk]
    into = _taker(merged, into)
    locked = history.locked(_images(merged).values_list("pk", flat=True))
    writer = history.Writer(by, Review.Action.RELABEL)
    labels, proposals = [], []
    for image in locked:
        bears, proposed = image.label_id == merged.pk, image.proposed_id == merged.pk
        if not bears and not proposed or image.state == State.PURGED:
            continue
        labels += [image.pk] * bears
        proposals += [image.pk] * proposed
        what = "both" if bears and proposed else "label" if bears else "proposal"
        note = history.merged_note(merged, into, what)
        writer.write(image, into.pk if bears else image.label_id, image.state, note=note)
    changed = writer.finish()
    for part in history.batches(proposals):
        ShoeImage.objects.filter(pk__in=part).update(proposed=into)
    if merged.merged_into_id is None:
        ShoeType.objects.filter(pk=merged.pk).update(merged_into=into)
    findings.refresh_with_pairs(changed)
    return Merged(writer.batch if changed else None, into, len(labels), len(proposals))


@transaction.atomic
def unmerge(merged: ShoeType, by) -> undo.Undone:
    """Take a merge back: pointer, labels and proposals.

    Images on which somebody has decided since keep what was decided, and are reported.
    """
    if merged.merged_into_id is None:
        raise MergeRefused(merged, merged, "it is merged into no other type.")
    images, overtaken, batch = [], [], None
    steps = _steps_of(merged)
    # All at once, because one after the other they would be locked in no order.
    concerned = history.steps().filter(batch__in=steps, undone_by=None)
    history.locked(concerned.values_list("image", flat=True))
    for step in steps:
        taken = undo.take_back(step, by)
        batch = taken.batch or batch
        images += taken.images
        overtaken += taken.overtaken
    # Where it had no images, or all were decided on since, no step led to the pointer.
    ShoeType.objects.filter(pk=merged.pk).update(merged_into=None)
    return undo.Undone(batch, images, overtaken)


def _steps_of(merged: ShoeType) -> list[uuid.UUID]:
    start = history.merged_note(merged, merged.merged_into, "").removesuffix("()")
    rows = history.steps().filter(
        action=Review.Action.RELABEL, undone_by=None, note__startswith=start
    )
    return list(rows.order_by().values_list("batch", flat=True).distinct())


def _images(merged: ShoeType):
    meant = ShoeImage.objects.filter(Q(label=merged) | Q(proposed=merged))
    return meant.exclude(state=State.PURGED).order_by()


def _taker(merged: ShoeType, into: ShoeType) -> ShoeType:
    """The type that takes the images; raises `MergeRefused`."""
    taker = into.survivor()
    kind = ShoeType.Kind.TYPE
    if merged.kind != kind or taker.kind != kind:
        raise MergeRefused(merged, into, "only types of the guide are merged.")
    if taker.pk == merged.pk:
        why = "that is the same type." if into.pk == merged.pk else "that one was merged into it."
        raise MergeRefused(merged, into, why)
    if merged.merged_into_id and merged.survivor().pk != taker.pk:
        raise MergeRefused(
            merged, into, f"it was merged into “{merged.survivor()}”; undo that first."
        )
    return taker
