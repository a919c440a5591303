"""Telling workers that a job waits."""

import logging
from datetime import timedelta

from celery import current_app
from django.apps import apps
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from shoeproject.jobs.states import State

logger = logging.getLogger(__name__)


def ring(model, pk: int) -> None:
    """Send the message for row `pk`; a broker that is down is logged, never raised."""
    try:
        current_app.send_task(
            model.task, args=[pk], queue=model.queue, expires=4 * settings.JOB_RING_SECONDS
        )
    except Exception as error:
        # Celery, kombu and redis each have their own ways to say that nobody listens. The row is
        # written and beat rings again, so this is worth a line, not a failure.
        logger.warning("The broker did not take the message for %s %s: %s", model.task, pk, error)


def job_models() -> list[type]:
    """Every concrete kind of job: the models that name the task which performs them."""
    return [model for model in apps.get_models() if getattr(model, "task", "")]


def ring_due(waited_seconds: float | None = None) -> int:
    """Ring for jobs queued for a while and due, and for those whose lease ran out.

    Returns how many were rung for. Rows younger than `waited_seconds` (default: one round) are left
    to the message already sent for them.
    """
    now = timezone.now()
    wait = settings.JOB_RING_SECONDS if waited_seconds is None else waited_seconds
    rung = 0
    for model in job_models():
        due = Q(state=State.QUEUED, created_at__lte=now - timedelta(seconds=wait)) & (
            Q(not_before=None) | Q(not_before__lte=now)
        )
        orphaned = Q(state=State.RUNNING, lease_until__lt=now)
        for pk in model._base_manager.filter(due | orphaned).values_list("pk", flat=True):
            ring(model, pk)
            rung += 1
    return rung
