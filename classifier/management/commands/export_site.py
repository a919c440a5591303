"""`manage.py export_site DIR --api ADDRESS`."""

from pathlib import Path

from classifier.exports import site
from classifier.views.recognise import SENT_TIMES
from shoeproject.jobs.commands import ProjectCommand


class Command(ProjectCommand):
    help = (
        "Write a static page with the recogniser and the guide, as for GitHub Pages, that asks an "
        "installation's API from another host."
    )

    def add_arguments(self, parser):
        parser.add_argument("folder", type=Path, metavar="DIR")
        parser.add_argument(
            "--api", required=True, metavar="ADDRESS",
            help="the installation that answers, such as https://shoes.example",
        )  # fmt: skip
        parser.add_argument(
            "--url", default="", metavar="ADDRESS",
            help="where the page will be, such as https://your-name.github.io/shoes",
        )  # fmt: skip
        parser.add_argument(
            "--force", action="store_true", help="write into a folder that is not empty"
        )

    def handle(self, folder, api, url, force, **options):
        size = site.export(folder, api, SENT_TIMES, url, force)
        self.stdout.write(
            f"{size / 1024:.0f} kB in {folder}; its README.md says how to publish it."
        )
