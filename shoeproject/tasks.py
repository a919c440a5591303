"""Periodic tasks and worker signals: ring for due jobs, update SQLite's statistics."""

from celery import shared_task
from celery.signals import worker_ready, worker_shutting_down

from shoeproject import jobs, sqlite_analyze

ring_due = shared_task(name="shoeproject.ring_due")(jobs.ring_due)
analyze_tables = shared_task(name="shoeproject.look_at_tables")(sqlite_analyze.analyze)


@worker_ready.connect
def _ring_at_start(**kwargs):
    # Jobs that a stopped worker put back should not wait for the next round of beat.
    jobs.ring_due(waited_seconds=0)


@worker_shutting_down.connect
def _stop_running_jobs(**kwargs):
    jobs.stopping.set()
