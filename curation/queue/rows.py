"""The queue as plain rows, for the command and the API."""

from collections.abc import Iterable, Iterator

from django.db.models import F

from curation.errors import CurationError
from curation.issues import findings
from curation.issues.reasons import BY_SLUG, mask
from curation.models import ShoeImage
from curation.models.image import UNREVIEWED
from curation.queue.cursor import Cursor
from shoeproject.batches import BATCH_SIZE


class UnknownReason(CurationError):
    """No finding has this reason."""

    slug: str
    code = "reason_unknown"
    message = f"There is no reason “{{slug}}”; the reasons are {', '.join(BY_SLUG)}."


class BadCursor(CurationError):
    """The text is no cursor that the list gave out."""

    cursor: str
    code = "cursor_invalid"
    message = "“{cursor}” is no place in the list; use “next” of an answer, or begin without it."


def rows(
    reasons: Iterable[str] = (), after: Cursor | None = None, part: int = BATCH_SIZE
) -> Iterator[tuple[Cursor, dict]]:
    """Yield (cursor, row) of the images with open findings, in the queue's order.

    `reasons`: only images with an open finding of one of these; empty for all. Reads `part`
    images at a time, so it takes the same memory for any number of them. Raises `UnknownReason`.
    """
    reasons = list(reasons)
    for slug in reasons:
        if slug not in BY_SLUG:
            raise UnknownReason(slug)
    precision = findings.measured_precision()
    while images := list(_images(reasons, after)[:part]):
        open_findings = findings.standing((image.pk for image in images), precision)
        for image in images:
            after = Cursor(image.priority, image.pk)
            # Read anew, as the image's own columns may not be up to date.
            image_findings = open_findings.get(image.pk, [])
            if image_findings and (
                not reasons or any(finding.reason in reasons for finding in image_findings)
            ):
                yield after, _row(image, image_findings)
        if len(images) < part:
            return


def _images(reasons: list[str], after: Cursor | None):
    images = ShoeImage.objects.filter(priority__gt=UNREVIEWED).exclude(reasons=0)
    if reasons:
        images = images.annotate(common=F("reasons").bitand(mask(reasons))).exclude(common=0)
    if after:
        images = images.filter(after.later())
    columns = ["sha256", "suggested", "split", "state", "priority", "label__slug", "proposed__slug"]
    return images.select_related("label", "proposed").only(*columns).order_by("-priority", "id")


def _row(image: ShoeImage, open_findings: list) -> dict:
    others = dict.fromkeys(finding.other for finding in open_findings if finding.other)
    return {
        "image": image.sha256,
        "given": image.given.slug if image.given else None,
        "suggested": image.suggested or None,
        "score": min(1.0, max(0.0, open_findings[0].score)),
        "reasons": list(dict.fromkeys(finding.reason for finding in open_findings)),
        "other": list(others),
        "split": image.split,
        "state": image.state,
    }
