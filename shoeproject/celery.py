"""The Celery application. A message names a job's row; what is to be done is in the row."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shoeproject.settings")

app = Celery("shoeproject")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
