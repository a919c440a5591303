"""What both apps share: settings, URLs, the Celery app, jobs, storage, API base classes."""

from shoeproject.celery import app as celery_app

__all__ = ["celery_app"]
