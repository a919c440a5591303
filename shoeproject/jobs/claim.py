"""A worker's claim on a job row: lease, heartbeat, progress, and how the job ends."""

import logging
import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.dispatch import Signal
from django.utils import timezone

from shoeproject.jobs.states import State

logger = logging.getLogger(__name__)

# Sent with `job` after a job's state "done" has been committed.
job_done = Signal()

# Set when this worker is told to stop. Created before the pool forks, so its processes share it.
stopping = multiprocessing.get_context("fork").Event()

# The next five end or interrupt a piece of work. They are handled by `perform` and are not shown to
# people as errors, so they are no ProjectErrors.


class ClaimLost(Exception):
    """The job no longer belongs to this worker: it was paused, cancelled or taken over."""


class WorkerStopping(Exception):
    """This worker was told to stop; the job is queued again."""


class WorkerDied(Exception):
    """The process that did the work ended, with the reason in words; the job is tried again."""


class Postponed(Exception):
    """The job waits until `until` (aware datetime) for `reason`; its worker is free meanwhile."""

    def __init__(self, until: datetime, reason: str):
        super().__init__(until, reason)
        self.until, self.reason = until, reason


class Paused(Exception):
    """The job is paused for the given reason, a sentence for people, until somebody resumes it."""


class Claim:
    """One worker's claim on one job row.

    Every write is conditional on the claim: `attempt` is the fencing token. `on_progress(job)` is
    called after each heartbeat.
    """

    def __init__(self, model: type[models.Model], pk: int, attempt: int):
        self.model, self.pk, self.attempt = model, pk, attempt
        self.on_progress: Callable[[Any], object] | None = None
        self._last_write = 0.0
        self._most_done = self.row().values_list("progress_done", flat=True).first() or 0

    @property
    def job(self) -> Any:
        """The job as it is in the database now."""
        return self.model._base_manager.get(pk=self.pk)

    def row(self) -> models.QuerySet:
        """Return the job's row as a queryset, which is empty once the claim is lost."""
        return self.model._base_manager.filter(
            pk=self.pk, state=State.RUNNING, attempt=self.attempt
        )

    def tick(
        self,
        done: int | None = None,
        total: int | None = None,
        what: str | None = None,
        force: bool = False,
    ) -> None:
        """Write heartbeat, lease and progress; cheap enough to call for every item.

        Writes at most once in `JOB_TICK_SECONDS` unless `force` is set. Raises `ClaimLost` if the
        job was paused, cancelled or taken over, `WorkerStopping` if this worker was told to stop.
        """
        now = time.monotonic()
        if not force and now - self._last_write < settings.JOB_TICK_SECONDS:
            return
        if stopping.is_set():
            raise WorkerStopping
        self._last_write = now
        at = timezone.now()
        given = {"progress_done": done, "progress_total": total, "progress_what": what}
        changes: dict[str, Any] = {
            name: value for name, value in given.items() if value is not None
        }
        if done is not None and done > self._most_done:
            self._most_done = done
            changes["deaths"] = 0
        if not self.row().update(
            heartbeat_at=at,
            lease_until=at + timedelta(seconds=settings.JOB_LEASE_SECONDS),
            **changes,
        ):
            raise ClaimLost
        if self.on_progress:
            self.on_progress(self.job)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in a transaction that locks the job's row; raise `ClaimLost` without one.

        What the block writes is committed only while the claim holds.
        """
        with transaction.atomic():
            if not self.row().select_for_update().exists():
                raise ClaimLost
            yield

    def finish(self) -> None:
        """Mark the job as done and send `job_done` after the commit; may raise `ClaimLost`."""
        with transaction.atomic():
            if not self.row().update(
                state=State.DONE, finished_at=timezone.now(), lease_until=None, error=""
            ):
                raise ClaimLost
            transaction.on_commit(lambda: job_done.send(self.model, job=self.job))
        logger.info("%s %s is done", self.model._meta.verbose_name, self.pk)

    def fail(self, error: str) -> None:
        """Mark the job as failed, with a sentence for people."""
        self.row().update(
            state=State.FAILED, error=error, finished_at=timezone.now(), lease_until=None
        )

    def record_death(self, reason: object) -> None:
        """Count a death of the process that did the work: queue the job again, or give it up."""
        job = self.job
        deaths = job.deaths + 1
        if deaths >= settings.JOB_MAX_DEATHS:
            self.fail(f"Given up after {deaths} tries in a row without any progress: {reason}")
        elif self.row().update(state=State.QUEUED, lease_until=None, deaths=deaths):
            job.ring()

    def pause(self, reason: str) -> None:
        """Pause the job, with a sentence for people."""
        self.row().update(state=State.PAUSED, error=reason, lease_until=None)

    def requeue(self, not_before: datetime | None = None, reason: str = "") -> None:
        """Put the job back into the queue, to be claimed no earlier than `not_before`."""
        self.row().update(
            state=State.QUEUED, lease_until=None, not_before=not_before, progress_what=reason
        )
