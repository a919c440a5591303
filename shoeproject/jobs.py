"""Long work as rows in the database. There is no table here, only the abstract model.

The row is the truth, the broker a doorbell: a message carries an id and nothing else, a worker that
hears it claims the row by compare-and-set or goes home. Losing a message, hearing it twice, or
losing the worker therefore does no harm; `ring_due` rings again for what is left lying.
"""

import logging
import multiprocessing
import time
from contextlib import contextmanager
from datetime import timedelta

from django.apps import apps
from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.db.models.functions import Coalesce
from django.dispatch import Signal
from django.utils import timezone

from shoeproject.celery import app
from shoeproject.errors import ProjectError

logger = logging.getLogger(__name__)

# Sent with `job` once a job's row says "done" and that is committed.
job_done = Signal()

# Set when this worker was told to stop. Made before the pool forks, so its processes share it.
stopping = multiprocessing.get_context("fork").Event()


class State(models.TextChoices):
    """Where a job stands."""

    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    PAUSED = "paused", "paused"
    DONE = "done", "done"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


TRANSITIONS = {
    State.QUEUED: {State.RUNNING, State.PAUSED, State.CANCELLED},
    State.RUNNING: {State.QUEUED, State.PAUSED, State.DONE, State.FAILED, State.CANCELLED},
    State.PAUSED: {State.QUEUED, State.CANCELLED},
    State.FAILED: {State.QUEUED},
    State.DONE: set(),
    State.CANCELLED: set(),
}
OPEN_STATES = [State.QUEUED, State.RUNNING, State.PAUSED]


class TransitionRefused(ProjectError):
    """A job cannot go from where it stands to where it was sent."""

    code = "transition_refused"

    def __init__(self, job, was, to):
        super().__init__(job, was, to)
        self.job, self.was, self.to = job, was, to

    @property
    def detail(self):
        """One sentence for people."""
        return f"“{self.job}” is {self.was} and cannot become {self.to}."


class ClaimLost(Exception):
    """The row is no longer this worker's: it was paused, cancelled or taken over."""


class WorkerStopping(Exception):
    """This worker was told to stop; the job goes back into the queue."""


class WorkerDied(Exception):
    """The process that did the work is gone, `how` says in words; the job is tried again."""


class Postponed(Exception):
    """The job waits until `until` (aware datetime) because of `why`, and frees its worker."""

    def __init__(self, until, why):
        super().__init__(until, why)
        self.until, self.why = until, why


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
        transaction.on_commit(lambda: _ring(type(self), self.pk))

    @classmethod
    def claim(cls, pk: int) -> "Claim | None":
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


class Claim:
    """One worker's hold on one job row. Every write checks that the hold is still good."""

    def __init__(self, model, pk, attempt, watch=None):
        self.model, self.pk, self.attempt = model, pk, attempt
        self.watch = watch
        self._last_write = 0.0
        self._reached = self.row().values_list("progress_done", flat=True).first() or 0

    @property
    def job(self) -> Job:
        """The row as it is now."""
        return self.model._base_manager.get(pk=self.pk)

    def row(self):
        """The row as a queryset that is empty once the hold is lost."""
        return self.model._base_manager.filter(
            pk=self.pk, state=State.RUNNING, attempt=self.attempt
        )

    def tick(self, done=None, total=None, what=None, force=False) -> None:
        """Say "alive, this far"; cheap enough to call for every item.

        Raises `ClaimLost` when the job was paused, cancelled or taken over, and `WorkerStopping`
        when this worker must go.
        """
        now = time.monotonic()
        if not force and now - self._last_write < settings.JOB_TICK_SECONDS:
            return
        if stopping.is_set():
            raise WorkerStopping
        self._last_write = now
        at = timezone.now()
        changes = {
            "heartbeat_at": at,
            "lease_until": at + timedelta(seconds=settings.JOB_LEASE_SECONDS),
        }
        if done is not None:
            changes["progress_done"] = done
            if done > self._reached:
                self._reached, changes["deaths"] = done, 0
        if total is not None:
            changes["progress_total"] = total
        if what is not None:
            changes["progress_what"] = what
        if not self.row().update(**changes):
            raise ClaimLost
        if self.watch:
            self.watch(self.job)

    @contextmanager
    def holding(self):
        """A transaction whose writes stand only if the hold does; raises `ClaimLost` otherwise."""
        with transaction.atomic():
            if not self.row().select_for_update().exists():
                raise ClaimLost
            yield

    def finish(self) -> None:
        """Mark the job done and tell who listens to `job_done`."""
        job = self.job
        with transaction.atomic():
            changes = {"finished_at": timezone.now(), "lease_until": None, "error": ""}
            if not self.row().update(state=State.DONE, **changes):
                raise ClaimLost
            transaction.on_commit(lambda: job_done.send(self.model, job=self.job))
        logger.info("%s %s is done", job._meta.verbose_name, self.pk)

    def fail(self, error: str) -> None:
        """Mark the job failed, with a sentence for people."""
        self.row().update(
            state=State.FAILED, error=error, finished_at=timezone.now(), lease_until=None
        )

    def bury(self, how) -> None:
        """Count a death of the process that did the work: queue the job again, or give it up."""
        deaths = self.job.deaths + 1
        if deaths < settings.JOB_MAX_DEATHS:
            if self.row().update(state=State.QUEUED, lease_until=None, deaths=deaths):
                self.job.ring()
        else:
            self.fail(f"Given up after {deaths} tries in a row without any progress: {how}")

    def release(self, not_before=None, why="") -> None:
        """Give the job back to the queue, to be taken up not before a moment, if one is given."""
        self.row().update(
            state=State.QUEUED, lease_until=None, not_before=not_before, progress_what=why
        )


def perform(model, pk: int, work, watch=None) -> bool:
    """Claim row `pk` and call `work(claim)` on it; every ending is written to the row.

    `watch(job)` is called at every sign of life. Returns False when there was nothing to claim.
    """
    claim = model.claim(pk)
    if claim is None:
        return False
    claim.watch = watch
    try:
        work(claim)
        claim.finish()
    except ClaimLost:
        logger.info("%s %s was taken from this worker", model._meta.verbose_name, pk)
    except WorkerStopping:
        claim.release()
    except KeyboardInterrupt:
        claim.release()
        raise
    except WorkerDied as error:
        claim.bury(error)
    except Postponed as wait:
        claim.release(not_before=wait.until, why=wait.why)
    except ProjectError as error:
        logger.warning("%s %s failed: %s", model._meta.verbose_name, pk, error.detail)
        claim.fail(error.detail)
    except Exception as error:
        logger.exception("%s %s failed", model._meta.verbose_name, pk)
        claim.fail(
            f"An error nobody foresaw stopped it ({type(error).__name__}: {error}). "
            "The worker's log has the details."
        )
    return True


def _ring(model, pk):
    try:
        app.send_task(
            model.task, args=[pk], queue=model.queue, expires=4 * settings.JOB_RING_SECONDS
        )
    except Exception as error:
        # Celery, kombu and redis each have their own ways to say that nobody listens. The row is
        # written and beat rings again, so this is worth a line, not a failure.
        logger.warning("The broker did not take the message for %s %s: %s", model.task, pk, error)


def job_models() -> list[type[Job]]:
    """Every concrete kind of job."""
    return [model for model in apps.get_models() if issubclass(model, Job)]


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
            _ring(model, pk)
            rung += 1
    return rung
