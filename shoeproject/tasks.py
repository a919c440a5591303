"""What every installation does by itself: ring for jobs, and keep SQLite's statistics fresh."""

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down

from shoeproject import jobs, sqlite_analyze


@shared_task(name="shoeproject.ring_due")
def ring_due():
    """Ring for every job that waits or whose worker died. Beat calls this every few seconds."""
    jobs.ring_due()


@shared_task(name="shoeproject.look_at_tables")
def look_at_tables():
    """Tell the database what its tables hold by now. Beat calls this now and then."""
    sqlite_analyze.look()


@worker_ready.connect
def _ring_on_start(**kwargs):
    # What a stopped worker handed back should not wait for beat's first round.
    jobs.ring_due(waited_seconds=0)


@worker_shutting_down.connect
def _tell_running_jobs(**kwargs):
    jobs.stopping.set()
