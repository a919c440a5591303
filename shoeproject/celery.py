"""The Celery application. Its messages only ring; what is to be done stands in job rows."""

import os

from celery import Celery
from celery.signals import worker_ready, worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shoeproject.settings")

app = Celery("shoeproject")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()


@app.task(name="shoeproject.ring_due")
def ring_due():
    """Ring for every job that waits or whose worker died. Beat calls this every few seconds."""
    from shoeproject import jobs

    jobs.ring_due()


@app.task(name="shoeproject.look_at_tables")
def look_at_tables():
    """Tell the database what its tables hold by now. Beat calls this now and then."""
    from shoeproject import planner

    planner.look()


@worker_ready.connect
def _ring_on_start(**kwargs):
    # What a stopped worker handed back should not wait for beat's first round.
    from shoeproject import jobs

    jobs.ring_due(waited_seconds=0)


@worker_shutting_down.connect
def _tell_running_jobs(**kwargs):
    from shoeproject import jobs

    jobs.stopping.set()
