"""`manage.py export_space DIR`."""

import time
from pathlib import Path

from classifier.exports import space
from shoeproject.jobs.commands import ProgressBar, ProjectCommand

PATIENCE_SECONDS = 2  # without a word; most exports are done by then


class Command(ProjectCommand):
    """Write a Hugging Face Space that answers with a version."""

    help = "Write a Hugging Face Space (Gradio) that answers with a version, on its own."

    def create_parser(self, *args, **kwargs):
        """Make room for an option that Django takes to ask for its own version."""
        return super().create_parser(*args, **{**kwargs, "conflict_handler": "resolve"})

    def add_arguments(self, parser):
        """Declare the arguments."""
        parser.add_argument("folder", type=Path, metavar="DIR")
        parser.add_argument(
            "--version", default="active", dest="ref", metavar="REF",
            help="the version's number, the start of its digest, or “active” (the default)",
        )  # fmt: skip
        parser.add_argument(
            "--force", action="store_true", help="write into a folder that is not empty"
        )

    def handle(self, folder, ref, force, **options):
        """Write it and say what is left to do."""
        meter, began, said = ProgressBar(), time.monotonic(), []

        def progress(done, of):
            if time.monotonic() - began > PATIENCE_SECONDS:
                said.append(done)
                meter.show(done, of, "files")

        try:
            version = space.export(folder, ref, force, progress)
        finally:
            if said:
                meter.close()
        self.stdout.write(f"{version} in {folder}; its README.md says how to publish it.")
