"""Bring database, static files, starter model and the first account up to date.

This happens at every start, so each step is cheap if there is nothing to do.
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
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection

from shoeproject import sqlite_analyze
from shoeproject.errors import ProjectError
from shoeproject.up.checks import CannotStart


class DatabaseUnreachable(CannotStart):
    """The database does not answer; `why` is the first line of the driver's error."""

    why: str
    message = "The database cannot be reached: {why}. DATABASE_URL says where it is."


class StepFailed(CannotStart):
    """Preparing `what` failed; `why` is the error, `log` holds the traceback."""

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
    """Apply missing migrations and update SQLite's statistics."""
    with _step("the database"):
        call_command("migrate", interactive=False, verbosity=0)
        sqlite_analyze.analyze()


def _static_digest() -> str:
    """Return a digest of the names, sizes and times of all static files to collect."""
    made_by = (django.__version__, version("whitenoise"), settings.STORAGES["staticfiles"])
    digest = hashlib.sha256(repr(made_by).encode())
    for finder in get_finders():
        for name, storage in finder.list([]):
            status = Path(storage.path(name)).stat()
            digest.update(f"{name}\0{status.st_size}\0{status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def static_files() -> bool:
    """Collect and compress the static files if they have changed; return whether they had."""
    stamp = settings.VAR_DIR / "run" / "static-state"
    with _step("the static files"):
        digest = _static_digest()
        collected = Path(settings.STATIC_ROOT) / "staticfiles.json"
        if collected.exists() and stamp.exists() and stamp.read_text() == digest:
            return False
        stamp.unlink(missing_ok=True)
        call_command("collectstatic", interactive=False, verbosity=0, clear=True)
        stamp.write_text(digest)
    return True


def starter() -> str:
    """Register the model that comes with the project; return what the command prints."""
    output = io.StringIO()
    with _step("the starter model"):
        call_command("register_starter", stdout=output)
    return output.getvalue().strip()


def set_random_password(username: str) -> str:
    """Set a new random password and return it; it cannot be read later.

    An account that does not exist is created as a superuser; one that exists keeps its rights.
    """
    users = get_user_model()
    password = secrets.token_urlsafe(12)
    # As `create_superuser` stores it.
    user = users.objects.filter(username=users.normalize_username(username)).first()
    if user is None:
        users.objects.create_superuser(username, password=password)
    else:
        user.set_password(password)
        user.save(update_fields=["password"])
    return password


def first_account() -> tuple[str, str] | None:
    """Create an administrator if there is none; return its name and password, or None."""
    users = get_user_model()
    with _step("the first account"):
        if users.objects.filter(is_superuser=True).exists():
            return None
        username = "admin"
        while users.objects.filter(username=username).exists():
            username += "1"
        return username, set_random_password(username)
