"""Celery messages that tell workers which jobs are waiting."""

import logging
from datetime import timedelta
from typing import Any

from celery import current_app
from django.apps import apps
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from shoeproject.jobs.states import State

logger = logging.getLogger(__name__)


def ring(task: str, queue: str, pk: int) -> None:
    """Send the message for job row `pk`; if the broker is down, log that and return."""
    try:
        current_app.send_task(task, args=[pk], queue=queue, expires=4 * settings.JOB_RING_SECONDS)
    except Exception as error:
        # Celery, kombu and redis have different errors for an unreachable broker. The row is in
        # the database and beat calls `ring_due`, so this is a warning, not a failure.
        logger.warning("The broker did not take the message for %s %s: %s", task, pk, error)


def ring_due(waited_seconds: float | None = None) -> int:
    """Send messages for jobs that are queued and due, and for those whose lease has expired.

    Returns their number. Jobs created less than `waited_seconds` ago (default:
    `JOB_RING_SECONDS`) are left out, because their first message is still on its way.
    """
    now = timezone.now()
    wait = settings.JOB_RING_SECONDS if waited_seconds is None else waited_seconds
    queued = Q(state=State.QUEUED, created_at__lte=now - timedelta(seconds=wait)) & (
        Q(not_before=None) | Q(not_before__lte=now)
    )
    orphaned = Q(state=State.RUNNING, lease_until__lt=now)
    # A concrete kind of job names the Celery task that performs it.
    kinds: list[Any] = [model for model in apps.get_models() if getattr(model, "task", "")]
    due = [
        (kind.task, kind.queue, pk)
        for kind in kinds
        for pk in kind._base_manager.filter(queued | orphaned).values_list("pk", flat=True)
    ]
    for task, queue, pk in due:
        ring(task, queue, pk)
    return len(due)
