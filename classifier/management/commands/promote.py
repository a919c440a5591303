"""`manage.py promote VERSION`."""

from classifier.registry import lookup, promote
from shoeproject.jobs.commands import ProjectCommand


class Command(ProjectCommand):
    help = "Make a version the one that answers; running web processes follow within seconds."

    def add_arguments(self, parser):
        parser.add_argument("version", help="its number, or the start of its digest")
        parser.add_argument("--why", default="", help="for the history")
        parser.add_argument(
            "--force", action="store_true", help="even if it is worse than the active version"
        )

    def handle(self, version, why, force, **options):
        self.stdout.write(str(promote.promote(lookup.find(version), why=why, force=force)))
