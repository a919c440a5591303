"""The queue as rows for programs: what the command prints and the API answers."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.models import F, Q

from curation.errors import CurationError
from curation.issues import findings
from curation.issues.reasons import BY_SLUG, mask
from curation.models import ShoeImage
from curation.models.image import UNREVIEWED


class UnknownReason(CurationError):
    """No finding has this reason."""

    slug: str
    code = "reason_unknown"
    message = f"There is no reason “{{slug}}”; the reasons are {', '.join(BY_SLUG)}."


class BadCursor(CurationError):
    """The place to go on from was not given out here."""

    cursor: str
    code = "cursor_invalid"
    message = "“{cursor}” is no place in the list; use “next” of an answer, or begin without it."


@dataclass(frozen=True)
class Place:
    """A place in the queue: all that it is sorted by of one image, so that a page can go on there
    whatever has joined or left the queue meanwhile."""

    priority: float
    image: int

    def __str__(self):
        # `repr` of a float reads back as the very same float.
        return f"{self.priority!r}_{self.image}"

    @classmethod
    def parse(cls, text: str) -> "Place":
        """What `str` wrote. Raises `BadCursor`."""
        priority, _, image = text.partition("_")
        try:
            place = cls(float(priority), int(image))
        except ValueError as error:
            raise BadCursor(text) from error
        # Neither “nan” nor a number that no database takes.
        if not (-1 <= place.priority <= 1 and 0 <= place.image < 1 << 63):
            raise BadCursor(text)
        return place


def check(reasons: Iterable[str]) -> list[str]:
    """The reasons as a list. Raises `UnknownReason` for one that nobody knows."""
    reasons = list(reasons)
    for slug in reasons:
        if slug not in BY_SLUG:
            raise UnknownReason(slug)
    return reasons


def rows(
    reasons: Iterable[str] = (), after: Place | None = None, part: int = findings.BATCH
) -> Iterator[tuple[Place, dict]]:
    """The images that something is said against, in the queue's order, with their places.

    `reasons`: only images with an open finding of one of these; empty for all. Reads `part`
    images at a time, so it takes the same memory for any number of them. Raises `UnknownReason`.
    """
    reasons = check(reasons)
    precision = findings.measured_precision()
    while images := list(_images(reasons, after)[:part]):
        said = findings.live((image.pk for image in images), precision)
        for image in images:
            # What the row repeats may lag behind; what is live counts.
            live = said.get(image.pk, [])
            if live and (not reasons or any(finding.reason in reasons for finding in live)):
                yield Place(image.priority, image.pk), _row(image, live)
        if len(images) < part:
            return
        after = Place(images[-1].priority, images[-1].pk)


def _images(reasons: list[str], after: Place | None):
    images = ShoeImage.objects.filter(priority__gt=UNREVIEWED).exclude(reasons=0)
    if reasons:
        images = images.annotate(asked=F("reasons").bitand(mask(reasons))).exclude(asked=0)
    if after:
        later = Q(priority__lt=after.priority) | Q(pk__gt=after.image)
        images = images.filter(later, priority__lte=after.priority)
    wanted = ["sha256", "suggested", "split", "state", "priority", "label__slug", "proposed__slug"]
    return images.select_related("label", "proposed").only(*wanted).order_by("-priority", "id")


def _row(image: ShoeImage, live: list) -> dict:
    others = dict.fromkeys(finding.other for finding in live if finding.other)
    return {
        "image": image.sha256,
        "given": image.given.slug if image.given else None,
        "suggested": image.suggested or None,
        "score": min(1.0, max(0.0, live[0].score)),
        "reasons": list(dict.fromkeys(finding.reason for finding in live)),
        "other": list(others),
        "split": image.split,
        "state": image.state,
    }
