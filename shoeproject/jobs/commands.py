"""What this project's management commands share: errors in words, and waiting for a job."""

import logging
import os
import sys
import time

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from shoeproject import jobs
from shoeproject.errors import ProjectError

BAR_WIDTH = 30


class ProjectCommand(BaseCommand):
    """A command that says what is wrong in one sentence and leaves no traceback for that."""

    def execute(self, *args, **options):
        """Run the command; a `ProjectError` becomes a `CommandError`."""
        if not self.talkative(options):
            # What matters is printed; the log's lines would only tear it apart.
            logging.getLogger().setLevel(logging.WARNING)
        try:
            return super().execute(*args, **options)
        except ProjectError as error:
            raise CommandError(error.detail) from error
        except BrokenPipeError:
            # Whoever read the output, `head` say, has seen enough. Python would complain once more
            # when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(1) from None

    def talkative(self, options) -> bool:
        """Whether the log's ordinary lines belong into this command's output."""
        return options["verbosity"] > 1


class Meter:
    """Progress on standard error: a bar on a terminal, now and then a line elsewhere."""

    def __init__(self):
        self.stream = sys.stderr
        self.live = self.stream.isatty()
        self._said = None

    def show(self, done: int, of: int, what: str) -> None:
        """Draw `done` of `of`."""
        percent = 100 * done // of
        self._write(_bar(percent, done, of, what), (percent // 10, of, what))

    def _write(self, text: str, key) -> None:
        """Write the text; where it cannot be overwritten, only if `key` is new."""
        if self.live:
            self.stream.write(f"\r\033[K{text}")
        elif key != self._said:
            self._said = key
            self.stream.write(text + "\n")
        self.stream.flush()

    def close(self) -> None:
        """End the line."""
        if self.live:
            self.stream.write("\n")


class Bar(Meter):
    """A job's progress."""

    def show(self, job) -> None:
        """Draw the job as it stands."""
        if job.state == jobs.State.QUEUED:
            text = job.progress_what or "waiting for a worker"
        elif job.percent is None:
            text = job.progress_what or "starting"
        else:
            text = _bar(job.percent, job.progress_done, job.progress_total, job.progress_what)
        self._write(text, (job.state, job.percent and job.percent // 10))


def _bar(percent: int, done: int, of: int, what: str) -> str:
    full = BAR_WIDTH * percent // 100
    return f"[{'#' * full}{'.' * (BAR_WIDTH - full)}] {percent:3d} %  {done}/{of} {what}"


def wait_for(job, work, patience: float | None = None):
    """Show a job until it ends, and return it as it is then.

    Where no worker takes it up within `patience` seconds (default: `JOB_WAIT_FOR_WORKER_SECONDS`)
    this process performs it itself with `work(claim)`. Ctrl-C leaves a worker's job running and
    puts an own one back into the queue. Raises `CommandError` when the job failed or was cancelled.
    """
    bar = Bar()
    wait = settings.JOB_WAIT_FOR_WORKER_SECONDS if patience is None else patience
    deadline = time.monotonic() + wait
    own = False
    try:
        while job.state in jobs.OPEN_STATES:
            if time.monotonic() >= deadline and job.state == jobs.State.QUEUED:
                own = True
                if not jobs.perform(type(job), job.pk, work, watch=bar.show):
                    bar.show(job)  # somebody else was faster, or it waits for its time
                    time.sleep(0.5)
                own = False
            else:
                bar.show(job)
                time.sleep(0.5)
            job.refresh_from_db()
        bar.show(job)
    except KeyboardInterrupt:
        where = "is back in the queue" if own else "goes on without you"
        raise CommandError(f"{job} {where}; cancel it in the admin.") from None
    finally:
        bar.close()
    if job.state != jobs.State.DONE:
        raise CommandError(f"{job} {job.state}: {job.error}" if job.error else f"{job} {job.state}")
    return job
