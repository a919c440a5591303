"""`manage.py import_images FOLDER|FILE.zip|FILE.csv`."""

import json
from pathlib import Path

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from curation import ingest
from curation.imports.run import import_images
from curation.models import Import, ShoeImage, ShoeType
from curation.models.intake import validate_label_map
from shoeproject.jobs.commands import ProjectCommand, wait_for


class Command(ProjectCommand):
    help = (
        "Bring in a folder or ZIP that holds a folder of pictures for each label, or the pictures "
        "a CSV lists (columns path, or url for web addresses, and class; group, source, licence, "
        "scene, title, page_url where known). A second import of the same adds nothing."
    )

    def add_arguments(self, parser):
        parser.add_argument("path", type=Path, help="a folder, a ZIP or a CSV file")
        parser.add_argument(
            "--map",
            type=Path,
            metavar="FILE",
            help='JSON: {"their label": "our-slug"}',
        )
        parser.add_argument(
            "--label", metavar="SLUG", help="what all of them show, whatever folders or a CSV say"
        )
        parser.add_argument("--source", default="", help="who they came from, if no CSV says so")
        parser.add_argument("--licence", default="unknown", help="their licence, if no CSV says so")
        parser.add_argument(
            "--scene",
            default=ShoeImage.Scene.UNKNOWN,
            choices=ShoeImage.Scene.values,
            help="where they were photographed, if no CSV says so",
        )
        parser.add_argument(
            "--keep-copies",
            action="store_true",
            help="take in near copies of pictures that are here already, too",
        )

    def handle(self, path, map, label, source, licence, scene, keep_copies, **options):
        if not path.exists():
            raise CommandError(f"{path}: there is no such folder or file.")
        job = Import.objects.create(
            path=str(path.resolve()),
            label_map=_read_map(map),
            source=source,
            licence=licence,
            scene=scene,
            label=_type(label),
            keep_copies=keep_copies,
        )
        # The path is on this machine, so this process does the work, without waiting for a worker.
        wait_for(job, import_images, worker_timeout=0)
        self._print(job.report)

    def _print(self, report):
        for problem in report["problems"]:
            self.stderr.write(f"{problem['path']}: {problem['detail']}")
        for label, number in sorted(report["unknown_labels"].items()):
            self.stderr.write(
                f"Label “{label}” is none of the types: {number} pictures left out. "
                "Name its type with --map."
            )
        refused = sum(report["refused"].values())
        self.stdout.write(
            f"{report['added']} added, {report['known']} known already, {refused} refused, "
            f"{sum(report['unknown_labels'].values())} with unknown labels."
        )


def _type(slug: str | None) -> ShoeType | None:
    if slug is None:
        return None
    shoe_type = ingest.Labels().get(slug)
    if shoe_type is None:
        raise CommandError(f"There is no type “{slug}”.")
    return shoe_type


def _read_map(file: Path | None) -> dict:
    if file is None:
        return {}
    try:
        label_map = json.loads(file.read_text(encoding="utf-8"))
        validate_label_map(label_map)
    except (OSError, ValueError) as error:
        raise CommandError(f"{file}: not a readable JSON file ({error}).") from error
    except ValidationError as error:
        raise CommandError(f"{file}: {error.message}") from error
    return label_map
