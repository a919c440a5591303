"""The abstract model every kind of job derives from."""

from datetime import timedelta

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.utils import timezone

from shoeproject.jobs import bell
from shoeproject.jobs.claim import Claim
from shoeproject.jobs.states import TRANSITIONS, State, TransitionRefused


class Job(models.Model):
    """One piece of long work: who asked, how far it is, who works on it.

    A concrete job names the Celery task that performs it (`task`) and its queue.
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

    def move(self, to: State, **changes) -> None:
        """Take the row from the state this object knows to `to`, or raise `TransitionRefused`.

        Compare-and-set: somebody else's move in between is seen, and refuses this one.
        """
        was = State(self.state)
        if to in TRANSITIONS[was]:
            if to not in (State.QUEUED, State.PAUSED, State.RUNNING):
                changes.setdefault("finished_at", timezone.now())
            rows = type(self)._base_manager.filter(pk=self.pk, state=was)
            if rows.update(state=to, lease_until=None, **changes):
                self.refresh_from_db()
                return
            self.refresh_from_db()
            was = State(self.state)
        raise TransitionRefused(self, was, to)

    def pause(self) -> None:
        """Stop within seconds and keep what is done; `resume` goes on."""
        self.move(State.PAUSED)

    def cancel(self) -> None:
        """Stop within seconds, for good."""
        self.move(State.CANCELLED)

    def resume(self) -> None:
        """Queue a paused or failed job again."""
        if self.state == State.RUNNING:
            # The way back that the table allows a running job is its worker's.
            raise TransitionRefused(self, self.state, State.QUEUED)
        self.move(State.QUEUED, error="", deaths=0, not_before=None, finished_at=None)
        self.ring()

    def ring(self) -> None:
        """Tell a worker, once the surrounding transaction is committed. Never raises."""
        transaction.on_commit(lambda: bell.ring(type(self), self.pk))

    @classmethod
    def claim(cls, pk: int) -> Claim | None:
        """Make row `pk` this worker's, or return None where there is nothing to do.

        Takes what is queued and due, and what a dead worker left (its lease ran out). The third
        death in a row without progress gives the job up instead.
        """
        now = timezone.now()
        job = cls._base_manager.filter(pk=pk).first()
        if job is None:
            return None
        row = cls._base_manager.filter(pk=pk, attempt=job.attempt)
        mine = {
            "state": State.RUNNING,
            "attempt": job.attempt + 1,
            "lease_until": now + timedelta(seconds=settings.JOB_LEASE_SECONDS),
            "heartbeat_at": now,
            "not_before": None,
            "started_at": Coalesce("started_at", now),
        }
        due = Q(not_before=None) | Q(not_before__lte=now)
        taken = row.filter(due, state=State.QUEUED).update(**mine)
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
            taken = orphan.update(**mine, deaths=F("deaths") + 1)
        return Claim(cls, pk, job.attempt + 1) if taken else None

    @property
    def percent(self) -> int | None:
        """Whole percent done, or None while the total is unknown."""
        if not self.progress_total:
            return None
        return min(100, 100 * self.progress_done // self.progress_total)
