"""`manage.py export_starter VERSION FOLDER`."""

import json
from pathlib import Path

from django.core.management.base import CommandError

from classifier.registry import lookup, starter
from shoeproject.jobs.commands import ProjectCommand


class Command(ProjectCommand):
    help = (
        "Write a version, with the figures of its evaluation on its own snapshot in its card, to a "
        "folder: the form in which a model comes with the project (classifier/starter)."
    )

    def add_arguments(self, parser):
        parser.add_argument("version", help="its number, the start of its digest, or “active”")
        parser.add_argument("folder", type=Path)
        parser.add_argument("--name", default="", help="what it is called from then on")
        parser.add_argument("--out-of-fold", type=Path, metavar="FILE", help="from out_of_fold")
        parser.add_argument("--sizes", type=Path, metavar="FILE", help="from bench.serving_size")
        parser.add_argument(
            "--compared", action="append", default=[], metavar="VERSION",
            help="another version whose figures on the same snapshot go on the card; repeatable",
        )  # fmt: skip
        parser.add_argument(
            "--note", action="append", default=[], help="a sentence about its limits; repeatable"
        )

    def handle(self, version, folder, name, out_of_fold, sizes, compared, note, **options):
        extra = {"out_of_fold": _read(out_of_fold), "sizes": _read(sizes), "notes": note}
        card = starter.export(
            lookup.find(version),
            folder,
            name,
            [lookup.find(other) for other in compared],
            **{key: value for key, value in extra.items() if value},
        )
        total = sum(file["bytes"] for file in card["files"].values())
        self.stdout.write(f"{card['name']}: {total / 1e6:.1f} MB in {folder}")


def _read(file: Path | None):
    if file is None:
        return None
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CommandError(f"{file}: not a readable JSON file ({error}).") from error
