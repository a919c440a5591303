"""`manage.py export_space DIR`."""

import time
from pathlib import Path

from classifier.exports import space
from shoeproject.jobs.commands import ProgressBar, ProjectCommand

SILENT_SECONDS = 2  # before progress is shown; most exports are done by then


class Command(ProjectCommand):
    help = "Write a Hugging Face Space (Gradio) that answers with a version, on its own."

    def create_parser(self, *args, **kwargs):
        # Our `--version` takes the place of Django's own option of that name.
        return super().create_parser(*args, **{**kwargs, "conflict_handler": "resolve"})

    def add_arguments(self, parser):
        parser.add_argument("folder", type=Path, metavar="DIR")
        parser.add_argument(
            "--version", default="active", dest="ref", metavar="REF",
            help="the version's number, the start of its digest, or “active” (the default)",
        )  # fmt: skip
        parser.add_argument(
            "--force", action="store_true", help="write into a folder that is not empty"
        )

    def handle(self, folder, ref, force, **options):
        bar, started, drawn = ProgressBar(), time.monotonic(), False

        def progress(done, total):
            nonlocal drawn
            if time.monotonic() - started > SILENT_SECONDS:
                drawn = True
                bar.show(done, total, "files")

        try:
            version = space.export(folder, ref, force, progress)
        finally:
            if drawn:
                bar.close()
        self.stdout.write(f"{version} in {folder}; its README.md says how to publish it.")
