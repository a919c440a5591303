"""Celery tasks that run this app's jobs."""

from celery import shared_task

from curation.collect.run import collect_images
from curation.imports.run import import_images
from curation.models import Collection, Import
from shoeproject import jobs


@shared_task(name=Import.task)
def run_import(pk):
    """Run one import."""
    jobs.perform(Import, pk, import_images)


@shared_task(name=Collection.task)
def run_collection(pk):
    """Run one collection."""
    jobs.perform(Collection, pk, collect_images)
