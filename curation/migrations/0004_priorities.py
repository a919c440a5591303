"""Rows from before the queue: what nothing is said against sorts by its state alone."""

from django.db import migrations


def sort_by_state(apps, schema_editor):
    images = apps.get_model("curation", "ShoeImage").objects
    images.filter(state="unreviewed").update(priority=0.001)
    images.filter(state__in=["rejected", "purged"]).update(priority=-1.0)


class Migration(migrations.Migration):
    dependencies = [("curation", "0003_cleaning")]

    operations = [migrations.RunPython(sort_by_state, migrations.RunPython.noop)]
