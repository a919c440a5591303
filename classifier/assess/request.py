"""Ask for an assessment: by hand, or after an event that the settings name."""

from django.conf import settings
from django.db import transaction

from curation.issues.findings import LIVE
from curation.models import AssessRun, ShoeImage
from shoeproject.jobs import State

# What `ASSESS_AFTER` may name.
IMPORT, COLLECTION, PROMOTION = "import", "collection", "promotion"


def ask(embedding: str = AssessRun.Embedding.ACTIVE, by=None) -> AssessRun:
    """Queue an assessment, unless one that has not begun is queued already."""
    with transaction.atomic():
        waiting = AssessRun.objects.filter(state=State.QUEUED, embedding=embedding, attempt=0)
        run = waiting.first() or AssessRun.objects.create(embedding=embedding, asked_by=by)
        run.ring()
    return run


def after(event: str, by=None) -> AssessRun | None:
    """Ask for an assessment where `ASSESS_AFTER` names the event and there are images to assess."""
    if event not in settings.ASSESS_AFTER:
        return None
    if not ShoeImage.objects.filter(state__in=LIVE).exists():
        return None
    return ask(by=by)
