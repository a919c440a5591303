"""What decisions are made of: images locked, changed together with their history, and read back."""

import hashlib
import re
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from itertools import islice

from django.db.models import Max, QuerySet

from curation.errors import CurationError
from curation.models import Finding, Review, ShoeImage, ShoeType

Action = Review.Action
BATCH = 500
# What decisions are made from; the rest of a row is fetched where somebody asks for it.
NEEDED = ("sha256", "stored_sha256", "label", "proposed", "given_key", "state")
# What is no decision that could be taken back: an image's arrival, and a taking back.
NO_STEP = (Action.IMPORT, Action.UNDO)
MERGED = "Type merged: "
MERGED_NOTE = re.compile(MERGED + r"(\S+) into (\S+) \((label|proposal|both)\)")


class DecisionRefused(CurationError):
    """The decision makes no sense for this image; without one (None), for none at all."""

    image: ShoeImage | None
    why: str
    code = "decision_refused"
    status = 409
    message = "{about}{why}"

    @property
    def about(self) -> str:
        """The image that the sentence is about, if it is about one."""
        return f"{self.image}: " if self.image else ""


def keys(images) -> list[int]:
    """Primary keys of images, given as a queryset, as rows or as such keys."""
    if isinstance(images, QuerySet):
        return list(images.values_list("pk", flat=True))
    return [getattr(image, "pk", image) for image in images]


def fingerprint(rows: Iterable) -> str:
    """A digest of rows, to tell whether what a person was shown is what would happen now."""
    return hashlib.sha256("\n".join(sorted(map(str, rows))).encode()).hexdigest()


def locked(image_ids: Iterable[int]) -> list[ShoeImage]:
    """These images, nobody else's until the transaction ends.

    Their copies are locked too, because a decision on one changes what is said against the other,
    and all of them in one order, so that two people's decisions cannot wait for each other.
    """
    wanted = set(image_ids)
    images = []
    for part in batches(sorted(wanted | _copies(wanted))):
        rows = ShoeImage.objects.select_for_update(of=("self",)).filter(pk__in=part).only(*NEEDED)
        images += [image for image in rows.order_by("pk") if image.pk in wanted]
    return images


def _copies(image_ids: set[int]) -> set[int]:
    found = set()
    for part in batches(image_ids):
        shas = ShoeImage.objects.filter(pk__in=part).values("sha256")
        pairs = Finding.objects.filter(other__in=shas).exclude(other="")
        found.update(pairs.order_by().values_list("image", flat=True))
    return found


def newest_decisions(image_ids) -> dict[int, int]:
    """Image → its newest decision, both as primary keys; images nobody decided on are left out."""
    return newest_of(Review.objects.exclude(action=Action.IMPORT), image_ids)


def standing_decisions(image_ids) -> dict[int, int]:
    """Image → the newest decision on it that was not taken back, both as primary keys."""
    return newest_of(steps().filter(undone_by=None), image_ids)


def steps():
    """Every decision that can or could be taken back."""
    return Review.objects.exclude(action__in=NO_STEP)


def rejections(image_ids) -> dict[uuid.UUID, list[int]]:
    """Batch → the images that it rejected, for the newest standing rejection of each image."""
    rejected = steps().filter(action=Action.REJECT, undone_by=None)
    newest = newest_of(rejected, image_ids)
    found = defaultdict(list)
    for part in batches(newest.values()):
        for batch, image in Review.objects.filter(pk__in=part).values_list("batch", "image"):
            found[batch].append(image)
    return found


def merged_note(merged: ShoeType, into: ShoeType, what: str) -> str:
    """The note of an image's share in a merge; `what`: "label", "proposal" or "both"."""
    return f"{MERGED}{merged.slug} into {into.slug} ({what})"


def unmerge(rows: Iterable[Review]) -> None:
    """Undo what a merge did besides labels, for those of these decisions that were part of one:
    the pointer to the type that took the images, and what was proposed."""
    proposals, pairs = defaultdict(list), set()
    for row in rows:
        if found := row.action == Action.RELABEL and MERGED_NOTE.fullmatch(row.note):
            merged, into, what = found.groups()
            pairs.add((merged, into))
            if what != "label":
                proposals[merged, into].append(row.image_id)
    for merged, into in pairs:
        ShoeType.objects.filter(slug=merged, merged_into__slug=into).update(merged_into=None)
    for (merged, into), image_ids in proposals.items():
        back = ShoeType.objects.get(slug=merged)
        for part in batches(image_ids):
            images = ShoeImage.objects.filter(pk__in=part, proposed__slug=into)
            images.update(proposed=back)


def batches(items: Iterable) -> Iterator[list]:
    """Lists of at most `BATCH` items: a database takes only so many in one query."""
    items = iter(items)
    while part := list(islice(items, BATCH)):
        yield part


def newest_of(rows, image_ids) -> dict[int, int]:
    """Image → the newest of these decisions on it, both as primary keys."""
    found = {}
    for part in batches(image_ids):
        of_image = rows.filter(image__in=part).order_by().values("image")
        found.update(of_image.annotate(newest=Max("pk")).values_list("image", "newest"))
    return found


class Writer:
    """Collects one batch's decisions and writes images and history in a few queries."""

    def __init__(self, by, action, note=""):
        self.batch = uuid.uuid4()
        self.by, self.action, self.note = by, action, note
        self.rows = []

    def write(self, image, label: int | None, state, undoes=None, note="") -> None:
        """Take one decision in: `label` is the primary key of the label that it leads to."""
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

    def finish(self, **also) -> list[int]:
        """Write everything, with the same fields `also` on every image; returns the images."""
        Review.objects.bulk_create(self.rows, batch_size=BATCH)
        alike = defaultdict(list)
        for row in self.rows:
            alike[row.label_to_id, row.state_to].append(row.image_id)
        for (label, state), image_ids in alike.items():
            for part in batches(image_ids):
                images = ShoeImage.objects.filter(pk__in=part)
                images.update(label=label, state=state, **also)
        return [row.image_id for row in self.rows]
