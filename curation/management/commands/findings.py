"""`manage.py findings`."""

import json
from itertools import islice

from django.core.management.base import CommandError

from curation.issues.reasons import BY_SLUG
from curation.queue import rows
from shoeproject.jobs.commands import ProjectCommand


class Command(ProjectCommand):
    help = (
        "Print the images that something is said against, one JSON object on a line, in the order "
        "of the queue."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--reason",
            action="append",
            default=[],
            metavar="REASON",
            help=f"only images with such a finding; may be repeated. One of {', '.join(BY_SLUG)}",
        )
        parser.add_argument("--limit", type=int, metavar="N", help="at most so many")

    def handle(self, reason, limit, **options):
        if limit is not None and limit < 0:
            raise CommandError("--limit takes a number from 0 up.")
        for _, row in islice(rows.rows(reason), limit):
            self.stdout.write(json.dumps(row))
