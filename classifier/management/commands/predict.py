"""`manage.py predict FILE…`."""

import json
from pathlib import Path

from classifier.answers import answer
from shoeproject.errors import ProjectError
from shoeproject.jobs.commands import ProjectCommand


class Command(ProjectCommand):
    help = "Answer for each file with one line of JSON, in order; an error is a line too."

    def add_arguments(self, parser):
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
        parser.add_argument(
            "--explain",
            action="store_true",
            help="say why: where in the photo, the nearest photographs, the runner-up, how often "
            "the model is right",
        )

    def handle(self, files, explain, **options):
        failed = False
        for file in files:
            try:
                line = answer.recognise(file.read_bytes(), explain)
            except ProjectError as error:
                line = {"error": {"code": error.code, "detail": error.detail}}
            except OSError as error:
                line = {"error": {"code": "file_unreadable", "detail": f"{error.strerror}."}}
            failed = failed or "error" in line
            self.stdout.write(json.dumps({"file": str(file), **line}, ensure_ascii=False))
        if failed:
            raise SystemExit(1)
