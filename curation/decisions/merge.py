"""Merge one type into another: labels, proposals and `merged_into`; and undo that."""

import uuid
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Count, Q

from curation.decisions import history, undo
from curation.errors import CurationError
from curation.issues import findings
from curation.models import Review, ShoeImage, ShoeType
from shoeproject.batches import batches

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
    """What a merge did: its batch (None where it changed no image), the type that took the images,
    how many images got its label and for how many it is now proposed."""

    batch: uuid.UUID | None
    into: ShoeType
    labels: int
    proposals: int


@dataclass(frozen=True)
class Preview:
    """What a merge would do: the type that takes the images, how many have the label, how many of
    these are confirmed or rejected, and for how many the merged type is proposed."""

    into: ShoeType
    labels: int
    confirmed: int
    rejected: int
    proposals: int


def preview(merged: ShoeType, into: ShoeType) -> Preview:
    """What `merge` would do; raises what it raises."""
    into = _target(merged, into)
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
    """Give every image of one type to another, whatever its state; older models' answers follow.

    Where `into` was merged itself, the type that stands for it takes the images. Merging again
    moves images that came in under the merged type since. Raises `MergeRefused`.
    """
    # `no_key`: whoever labels an image meanwhile does not wait for this.
    rows = ShoeType.objects.select_for_update(no_key=True).filter(pk__in=[merged.pk, into.pk])
    locked_types = {row.pk: row for row in rows.order_by("pk")}
    merged = locked_types[merged.pk]
    into = _target(merged, locked_types[into.pk])
    images = history.lock_images(_images(merged).values_list("pk", flat=True))
    writer = history.Writer(by, Review.Action.RELABEL)
    labels, proposals = [], []
    for image in images:
        labelled, proposed = image.label_id == merged.pk, image.proposed_id == merged.pk
        # Somebody may have decided on it before it was locked.
        if (labelled or proposed) and image.state != State.PURGED:
            labels += [image.pk] * labelled
            proposals += [image.pk] * proposed
            what = "both" if labelled and proposed else "label" if labelled else "proposal"
            note = history.merged_note(merged, into, what)
            writer.add(image, into.pk if labelled else image.label_id, image.state, note=note)
    changed = writer.write()
    for part in batches(proposals):
        ShoeImage.objects.filter(pk__in=part).update(proposed=into)
    if merged.merged_into_id is None:
        ShoeType.objects.filter(pk=merged.pk).update(merged_into=into)
    findings.refresh_with_pairs(changed)
    return Merged(writer.batch if changed else None, into, len(labels), len(proposals))


@transaction.atomic
def unmerge(merged: ShoeType, by) -> history.Step:
    """Undo a merge: `merged_into`, labels and proposals.

    Images on which somebody decided since keep that decision, and are reported as overtaken.
    """
    if merged.merged_into_id is None:
        raise MergeRefused(merged, merged, "it is merged into no other type.")
    start = history.merged_note(merged, merged.merged_into, "").removesuffix("()")
    notes = history.standing().filter(action=Review.Action.RELABEL, note__startswith=start)
    merge_batches = list(notes.order_by().values_list("batch", flat=True).distinct())
    # All at once, because one after the other they would be locked in no order.
    decisions = history.standing().filter(batch__in=merge_batches)
    history.lock_images(decisions.values_list("image", flat=True))
    images, overtaken, batch = [], [], None
    for merge_batch in merge_batches:
        undone = undo.undo_partly(merge_batch, by)
        batch = undone.batch or batch
        images += undone.images
        overtaken += undone.overtaken
    # Where it had no images, or all were decided on since, no batch reset `merged_into`.
    ShoeType.objects.filter(pk=merged.pk).update(merged_into=None)
    return history.Step(batch, images, overtaken)


def _images(merged: ShoeType):
    given = Q(label=merged) | Q(proposed=merged)
    return ShoeImage.objects.filter(given).exclude(state=State.PURGED).order_by()


def _target(merged: ShoeType, into: ShoeType) -> ShoeType:
    """The type that takes the images; raises `MergeRefused`."""
    target = into.survivor()
    kind = ShoeType.Kind.TYPE
    if merged.kind != kind or target.kind != kind:
        raise MergeRefused(merged, into, "only types of the guide are merged.")
    if target.pk == merged.pk:
        why = "that is the same type." if into.pk == merged.pk else "that one was merged into it."
        raise MergeRefused(merged, into, why)
    if merged.merged_into_id and merged.survivor().pk != target.pk:
        raise MergeRefused(
            merged, into, f"it was merged into “{merged.survivor()}”; undo that first."
        )
    return target
