"""Brings database, static files, starter model and the first account up to date.

Everything is cheap where there is nothing to do: it happens on every start.
"""

import hashlib
import io
import secrets
import traceback
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import django
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.staticfiles.finders import get_finders
from django.core.management import CommandError, call_command, get_commands
from django.db import DatabaseError, connection

from shoeproject import sqlite_analyze
from shoeproject.errors import ProjectError
from shoeproject.up.checks import CannotStart


class DatabaseUnreachable(CannotStart):
    """The database does not answer; `why` is the first line of its driver's word."""

    why: str
    message = "The database cannot be reached: {why}. DATABASE_URL says where it is."


class StepFailed(CannotStart):
    """Preparing `what` failed because of `why`; `log` holds the traceback."""

    what: str
    why: str
    log: Path
    message = "Could not prepare {what}: {why}. {log} has the details."


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0].rstrip(". ")


@contextmanager
def _step(what: str):
    log = settings.VAR_DIR / "log" / "up.log"
    try:
        yield
    except (DatabaseError, CommandError, ProjectError, OSError, ValueError) as error:
        with open(log, "a") as out:
            traceback.print_exc(file=out)
        raise StepFailed(what, _first_line(error), log) from error


def database_reachable() -> None:
    """Open the database connection, or raise `DatabaseUnreachable`."""
    try:
        connection.ensure_connection()
    except DatabaseError as error:
        raise DatabaseUnreachable(_first_line(error)) from error


def database() -> None:
    """Apply the migrations that are missing, and have SQLite look at its tables."""
    with _step("the database"):
        call_command("migrate", interactive=False, verbosity=0)
        sqlite_analyze.look()


def _static_state() -> str:
    """A digest over the names, sizes and times of every static file there is to collect."""
    how = (django.__version__, version("whitenoise"), settings.STORAGES["staticfiles"])
    digest = hashlib.sha256(repr(how).encode())
    for finder in get_finders():
        for name, storage in finder.list([]):
            found = Path(storage.path(name)).stat()
            digest.update(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def static_files() -> bool:
    """Collect and compress the static files where they changed; return whether they had."""
    stamp = settings.VAR_DIR / "run" / "static-state"
    with _step("the static files"):
        state = _static_state()
        collected = Path(settings.STATIC_ROOT) / "staticfiles.json"
        if collected.exists() and stamp.exists() and stamp.read_text() == state:
            return False
        stamp.unlink(missing_ok=True)
        call_command("collectstatic", interactive=False, verbosity=0, clear=True)
        stamp.write_text(state)
    return True


def starter() -> str:
    """Register the model that ships with the project, if one does; return what that said."""
    if "register_starter" not in get_commands():
        return ""
    said = io.StringIO()
    with _step("the starter model"):
        call_command("register_starter", stdout=said)
    return said.getvalue().strip()


def give_password(username: str) -> str:
    """Set a new random password and return it; nobody can read it later.

    An account that does not exist is made, with every right; one that exists keeps its rights.
    """
    users = get_user_model()
    password = secrets.token_urlsafe(12)
    user = users.objects.filter(username=username).first()
    if user is None:
        users.objects.create_superuser(username, password=password)
    else:
        user.set_password(password)
        user.save(update_fields=["password"])
    return password


def first_account() -> tuple[str, str] | None:
    """Make an administrator where there is none; return its name and password, or None."""
    users = get_user_model()
    with _step("the first account"):
        if users.objects.filter(is_superuser=True).exists():
            return None
        username = "admin"
        while users.objects.filter(username=username).exists():
            username += "1"
        return username, give_password(username)
