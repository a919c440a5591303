"""The project: settings, URLs, the Celery app and the jobs both apps run."""

from shoeproject.celery import app as celery_app

__all__ = ["celery_app"]
