"""`manage.py admin_password`: a way in for who lost the password."""

from django.core.management.base import BaseCommand

from shoeproject.up.prepare import give_password


class Command(BaseCommand):
    """Sets and prints a new random password."""

    help = "Set and print a new random password; a missing account is made, with every right."

    def add_arguments(self, parser):
        """Take the account's name."""
        parser.add_argument("username", nargs="?", default="admin")

    def handle(self, *args, username, **options):
        """Print the name and the new password."""
        password = give_password(username)
        self.stdout.write(f"{username}: {password}")
