"""The Celery application. Its messages only ring; what is to be done stands in job rows."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shoeproject.settings")

app = Celery("shoeproject")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
