"""`manage.py rollback`."""

from classifier.registry import promote
from shoeproject.jobs.commands import ProjectCommand


class Command(ProjectCommand):
    help = "Go back to the version that was active before the present one was promoted."

    def add_arguments(self, parser):
        parser.add_argument("--why", default="", help="for the history")

    def handle(self, why, **options):
        self.stdout.write(str(promote.rollback(why=why)))
