"""What the management commands share: error messages, progress bars, waiting for a job."""

import logging
import os
import sys
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from shoeproject import jobs
from shoeproject.errors import ProjectError

BAR_WIDTH = 30
J = TypeVar("J", bound=jobs.Job)


class ProjectCommand(BaseCommand):
    """A command that reports a `ProjectError` as one sentence, without a traceback."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command; a `ProjectError` becomes a `CommandError`."""
        if not self.shows_log(options):
            # The command prints its results; log lines would only be mixed in with them.
            logging.getLogger().setLevel(logging.WARNING)
        try:
            return super().execute(*args, **options)
        except ProjectError as error:
            raise CommandError(error.detail) from error
        except BrokenPipeError:
            # The reader, such as `head`, has closed the pipe. Without this, Python would report the
            # same error again when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(1) from None

    def shows_log(self, options: dict[str, Any]) -> bool:
        """Return whether ordinary log lines appear in this command's output."""
        return options["verbosity"] > 1


class ProgressBar:
    """Progress on standard error: a bar on a terminal, otherwise a line at every 10 percent."""

    def __init__(self) -> None:
        self.stream = sys.stderr
        self.on_terminal = self.stream.isatty()
        self._last_key: tuple | None = None

    def show(self, done: int, total: int, what: str) -> None:
        """Draw `done` of `total`."""
        percent = 100 * done // total
        self._write(_bar(percent, done, total, what), (percent // 10, total, what))

    def show_job(self, job: jobs.Job) -> None:
        """Draw the progress of a job, or what it waits for."""
        if job.state == jobs.State.QUEUED:
            text = job.progress_what or "waiting for a worker"
        elif job.percent is None or job.progress_total is None:
            text = job.progress_what or "starting"
        else:
            text = _bar(job.percent, job.progress_done, job.progress_total, job.progress_what)
        self._write(text, (job.state, job.percent and job.percent // 10))

    def _write(self, text: str, key: tuple) -> None:
        """Write the text; where it cannot be overwritten, only if `key` has changed."""
        if self.on_terminal:
            self.stream.write(f"\r\033[K{text}")
        elif key != self._last_key:
            self._last_key = key
            self.stream.write(text + "\n")
        self.stream.flush()

    def close(self) -> None:
        """End the line."""
        if self.on_terminal:
            self.stream.write("\n")


def _bar(percent: int, done: int, total: int, what: str) -> str:
    full = BAR_WIDTH * percent // 100
    return f"[{'#' * full}{'.' * (BAR_WIDTH - full)}] {percent:3d} %  {done}/{total} {what}"


def wait_for(
    job: J, work: Callable[[jobs.Claim], object], worker_timeout: float | None = None
) -> J:
    """Show a job's progress until it ends, and return it in its last state.

    If no worker claims it within `worker_timeout` seconds (default: `JOB_WAIT_FOR_WORKER_SECONDS`),
    this process performs it with `work(claim)`. Ctrl-C leaves a worker's job running and puts one
    performed here back into the queue. Raises `CommandError` if the job failed or was cancelled.
    """
    bar = ProgressBar()
    wait = settings.JOB_WAIT_FOR_WORKER_SECONDS if worker_timeout is None else worker_timeout
    deadline = time.monotonic() + wait
    performed_here = False
    try:
        while job.state in jobs.OPEN_STATES:
            performed_here = job.state == jobs.State.QUEUED and time.monotonic() >= deadline
            # `perform` returns False if a worker was faster, or the job is not due yet.
            if not performed_here or not jobs.perform(type(job), job.pk, work, bar.show_job):
                bar.show_job(job)
                time.sleep(0.5)
            job.refresh_from_db()
        bar.show_job(job)
    except KeyboardInterrupt:
        where = "is back in the queue" if performed_here else "goes on without you"
        raise CommandError(f"{job} {where}; cancel it in the admin.") from None
    finally:
        bar.close()
    if job.state != jobs.State.DONE:
        raise CommandError(f"{job} {job.state}: {job.error}" if job.error else f"{job} {job.state}")
    return job
