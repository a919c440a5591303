"""`manage.py register_starter`."""

from classifier.registry import starter
from shoeproject.jobs.commands import ProjectCommand


class Command(ProjectCommand):
    help = "Register the starter model, and make it the active one if there is none. Repeatable."

    def handle(self, **options):
        version = starter.register()
        self.stdout.write(f"Starter model: {version}" if version else "No starter model.")
