"""Receivers of signals, connected when the app is ready."""

from django.conf import settings
from django.dispatch import receiver

from classifier.assess import feature_store, request
from classifier.jobs import decoded_pictures, picture_files
from curation.decisions.purge import purged
from curation.models import Collection, Import
from shoeproject.jobs import job_done


@receiver(purged)
def drop_purged_pictures(sender, digests, **kwargs):
    """Remove what was made of purged pictures, given by their stored digests: local files and
    decoded pixels on this machine, features in the storage."""
    digests = set(digests)
    feature_store.blank(digests)
    picture_files.drop(digests)
    decoded_pictures.drop(settings.CACHE_DIR / "decoded", digests)


@receiver(job_done)
def assess_new_images(sender, job, **kwargs):
    """Ask for an assessment after an import or collection that added images."""
    if sender is Import and job.report.get("added"):
        request.after(request.IMPORT, job.asked_by)
    elif sender is Collection and job.images.exists():
        request.after(request.COLLECTION, job.asked_by)
