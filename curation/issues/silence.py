"""Answer findings: by decisions on their images, or silenced because nothing is wrong."""

import uuid
from collections.abc import Iterable

from django.utils import timezone

from curation.issues import findings
from curation.models import Finding
from shoeproject.batches import batches


def answer(image_ids, outcome: str, by, batch: uuid.UUID, but: Iterable[str] = ()) -> None:
    """Mark the open findings of these images as answered by one batch of decisions.

    `but`: reasons that stay open. A later assessment that finds the same again leaves it answered;
    another copy or another suggestion is another finding.
    """
    now = timezone.now()
    for part in batches(image_ids):
        findings.unanswered().filter(image__in=part).exclude(reason__in=list(but)).update(
            silenced_by=by, silenced_at=now, outcome=outcome, batch=batch
        )


def reopen(batch: uuid.UUID, image_ids: Iterable[int]) -> None:
    """Undo `answer` or `silence` on these images for one batch."""
    for part in batches(image_ids):
        Finding.objects.filter(batch=batch, image__in=part).update(
            silenced_by=None, silenced_at=None, outcome="", batch=None
        )


def silence(rows: Iterable[Finding], by) -> uuid.UUID:
    """Answer these findings with “kept on purpose”; returns the batch."""
    rows, batch = list(rows), uuid.uuid4()
    Finding.objects.filter(pk__in=[row.pk for row in rows], silenced_at__isnull=True).update(
        silenced_by=by, silenced_at=timezone.now(), outcome=Finding.Outcome.KEPT, batch=batch
    )
    findings.refresh({row.image_id for row in rows})
    return batch
