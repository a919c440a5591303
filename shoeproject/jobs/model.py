"""The abstract model that every kind of job derives from."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from shoeproject.jobs import notify, states
from shoeproject.jobs.claim import Claim
from shoeproject.jobs.states import OPEN_STATES, TRANSITIONS, State, TransitionRefused


class Job(models.Model):
    """One piece of long work: who asked for it, its state and progress, the worker's lease.

    A concrete kind of job names the Celery task that performs it (`task`) and its `queue`.
    """

    State = State
    task = ""
    queue = "short"

    state = models.CharField(
        max_length=10, choices=State.choices, default=State.QUEUED, editable=False
    )
    progress_done = models.PositiveIntegerField(default=0, editable=False)
    progress_total = models.PositiveIntegerField(null=True, editable=False)
    progress_what = models.CharField(
        max_length=200, blank=True, editable=False, help_text="What is counted, or being waited for"
    )
    error = models.TextField(blank=True, editable=False)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, editable=False,
        related_name="+",
    )  # fmt: skip
    not_before = models.DateTimeField(null=True, editable=False)
    attempt = models.PositiveIntegerField(
        default=0, editable=False, help_text="Counts claims; a worker with an older one is ignored"
    )
    deaths = models.PositiveSmallIntegerField(
        default=0, editable=False, help_text="Workers lost in a row without progress"
    )
    lease_until = models.DateTimeField(null=True, editable=False)
    heartbeat_at = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)

    class Meta:
        abstract = True
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=State.values), name="%(app_label)s_%(class)s_state_known"
            ),
        ]
        indexes = [
            models.Index(
                fields=["state", "lease_until"],
                condition=Q(state__in=["queued", "running"]),
                name="%(app_label)s_%(class)s_due",
            ),
        ]

    def change_state(self, to: states.State, **changes: Any) -> None:
        """Change the row from the state of this object to `to`, or raise `TransitionRefused`.

        Compare-and-set: if the row has another state by now, the change is refused.
        """
        was = State(self.state)
        if to in TRANSITIONS[was]:
            if to not in OPEN_STATES:
                changes.setdefault("finished_at", timezone.now())
            rows = type(self)._base_manager.filter(pk=self.pk, state=was)
            changed = rows.update(state=to, lease_until=None, **changes)
            self.refresh_from_db()
            if changed:
                return
            was = State(self.state)
        raise TransitionRefused(self, was, to)

    def pause(self) -> None:
        """Stop within seconds and keep what is done, until `resume` is called."""
        self.change_state(State.PAUSED)

    def cancel(self) -> None:
        """Stop within seconds, for good."""
        self.change_state(State.CANCELLED)

    def resume(self) -> None:
        """Queue a paused or failed job again."""
        if self.state == State.RUNNING:
            # Only its own worker may put a running job back into the queue.
            raise TransitionRefused(self, State.RUNNING, State.QUEUED)
        self.change_state(State.QUEUED, error="", deaths=0, not_before=None, finished_at=None)
        self.ring()

    def ring(self) -> None:
        """Send the message for a worker once the current transaction is committed. Never raises."""
        transaction.on_commit(lambda: notify.ring(self.task, self.queue, self.pk))

    @classmethod
    def claim(cls, pk: int) -> Claim | None:
        """Claim row `pk` for this worker, or return None if there is nothing to do.

        A job can be claimed if it is queued and due, or if its worker died (the lease has expired).
        After `JOB_MAX_DEATHS` deaths in a row without progress it fails instead.
        """
        now = timezone.now()
        job = cls._base_manager.filter(pk=pk).first()
        if job is None:
            return None
        row = cls._base_manager.filter(pk=pk, attempt=job.attempt)
        claimed = {
            "state": State.RUNNING,
            "attempt": job.attempt + 1,
            "lease_until": now + timedelta(seconds=settings.JOB_LEASE_SECONDS),
            "heartbeat_at": now,
            "not_before": None,
            "started_at": Coalesce("started_at", now),
        }
        due = Q(not_before=None) | Q(not_before__lte=now)
        taken = row.filter(due, state=State.QUEUED).update(**claimed)
        if not taken:
            orphan = row.filter(state=State.RUNNING, lease_until__lt=now)
            if orphan.filter(deaths__gte=settings.JOB_MAX_DEATHS - 1).update(
                state=State.FAILED,
                lease_until=None,
                finished_at=now,
                deaths=F("deaths") + 1,
                error=f"Given up: {settings.JOB_MAX_DEATHS} workers in a row died over it without "
                "any progress. Look at the worker's log, then resume it.",
            ):
                return None
            taken = orphan.update(**claimed, deaths=F("deaths") + 1)
        return Claim(cls, pk, job.attempt + 1) if taken else None

    @property
    def percent(self) -> int | None:
        """Whole percent done, or None while the total is unknown."""
        if not self.progress_total:
            return None
        return min(100, 100 * self.progress_done // self.progress_total)
