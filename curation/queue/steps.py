"""A step of the queue taken back, whether it decided on images or only answered findings."""

import uuid

from curation.decisions import decide
from curation.issues import findings
from curation.models import Finding, Review


def undo(batch: uuid.UUID, by) -> list[int]:
    """Take one step back; returns the images it had touched.

    Raises `review.DecisionRefused`, and changes nothing, when somebody decided on one of them
    since.
    """
    decided = list(Review.objects.filter(batch=batch).values_list("image", flat=True))
    if decided:
        decide.undo(batch, by)
        return sorted(decided)
    answered = sorted(set(Finding.objects.filter(batch=batch).values_list("image", flat=True)))
    if not answered:
        raise decide.DecisionRefused(None, "There is no such step.")
    findings.reopen(batch, answered)
    findings.refresh(answered)
    return answered
