"""Celery's doors into this app's jobs."""

from celery import shared_task

from curation import ingest
from curation.models import Import
from shoeproject import jobs


@shared_task(name=Import.task)
def run_import(pk):
    """Perform one import."""
    jobs.perform(Import, pk, ingest.run)
