"""Having images assessed: when somebody asks, and by itself after what changes them."""

from django.conf import settings
from django.db import transaction

from curation.issues.findings import LIVE
from curation.models import AssessRun, Collection, Import, ShoeImage
from shoeproject.jobs import State

# What `ASSESS_AFTER` may name.
IMPORT, COLLECTION, PROMOTION = "import", "collection", "promotion"


def ask(embedding: str = AssessRun.Embedding.ACTIVE, by=None) -> AssessRun:
    """A queued assessment: the one that waits already, or a new one."""
    with transaction.atomic():
        waiting = AssessRun.objects.filter(state=State.QUEUED, embedding=embedding, attempt=0)
        run = waiting.first() or AssessRun.objects.create(embedding=embedding, asked_by=by)
        run.ring()
    return run


def after(event: str, by=None) -> AssessRun | None:
    """Ask because of an event, where the settings want it and there is anything to assess."""
    if event not in settings.ASSESS_AFTER:
        return None
    if not ShoeImage.objects.filter(state__in=LIVE).exists():
        return None
    return ask(by=by)


def after_job(sender, job, **kwargs):
    """Receiver of `job_done`: images came in."""
    if sender is Import and job.report.get("added"):
        after(IMPORT, job.asked_by)
    elif sender is Collection and job.images.exists():
        after(COLLECTION, job.asked_by)
