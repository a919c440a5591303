"""`manage.py admin_password`: replace a lost password."""

from django.core.management.base import BaseCommand

from shoeproject.up.prepare import set_random_password


class Command(BaseCommand):
    help = "Set and print a new random password; a missing account is made, with every right."

    def add_arguments(self, parser):
        parser.add_argument("username", nargs="?", default="admin")

    def handle(self, *args, username, **options):
        self.stdout.write(f"{username}: {set_random_password(username)}")
