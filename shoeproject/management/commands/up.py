"""`manage.py up`: run everything on this machine."""

import sys

from django.core.management.base import BaseCommand

from shoeproject.up.__main__ import add_arguments
from shoeproject.up.start import run_or_explain


class Command(BaseCommand):
    help = "Check, prepare and run everything on this machine, until Ctrl-C."
    requires_system_checks = []

    def add_arguments(self, parser):
        add_arguments(parser)

    def handle(self, *args, host, port, **options):
        sys.exit(run_or_explain(host, port))
