"""One worker's hold on one job, and performing the job under it."""

import logging
import multiprocessing
import time
from contextlib import contextmanager
from datetime import timedelta

from django.conf import settings
from django.db import transaction
from django.dispatch import Signal
from django.utils import timezone

from shoeproject.errors import ProjectError
from shoeproject.jobs.states import State

logger = logging.getLogger(__name__)

# Sent with `job` once a job's row says "done" and that is committed.
job_done = Signal()

# Set when this worker was told to stop. Made before the pool forks, so its processes share it.
stopping = multiprocessing.get_context("fork").Event()


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


class Halted(Exception):
    """The job is paused because of `why`, a sentence for people, until somebody resumes it."""


class Claim:
    """One worker's hold on one job row. Every write checks that the hold is still good."""

    def __init__(self, model, pk, attempt, watch=None):
        self.model, self.pk, self.attempt = model, pk, attempt
        self.watch = watch
        self._last_write = 0.0
        self._reached = self.row().values_list("progress_done", flat=True).first() or 0

    @property
    def job(self):
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

    def halt(self, why) -> None:
        """Pause the job, with a sentence for people."""
        self.row().update(state=State.PAUSED, error=str(why), lease_until=None)

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
    except Halted as why:
        logger.warning("%s %s is paused: %s", model._meta.verbose_name, pk, why)
        claim.halt(why)
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
