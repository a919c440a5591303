"""Celery's doors into this app's jobs."""

from celery import shared_task

from curation import collect, imports
from curation.models import Collection, Import
from shoeproject import jobs


@shared_task(name=Import.task)
def run_import(pk):
    """Perform one import."""
    jobs.perform(Import, pk, imports.run)


@shared_task(name=Collection.task)
def run_collection(pk):
    """Perform one collection."""
    jobs.perform(Collection, pk, collect.run)
