"""`python -m shoeproject.up`: what `make run` calls.

Unlike `manage.py up` it also explains what goes wrong before Django has read its settings.
"""

import argparse
import os
import sys
from pathlib import Path

import django
from django.core.exceptions import ImproperlyConfigured

from shoeproject.up import checks

BASE_DIR = Path(__file__).resolve().parents[2]


class _Parser(argparse.ArgumentParser):
    """Complains in one line: who called `make run` has no use for this program's usage."""

    def error(self, message):
        self.exit(1, f"Cannot start: {message}\n")


def port(text: str) -> int:
    """A port number, for argparse."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"“{text}” is not a port: those go from 1 to 65535")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of both doors."""
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", default=8000, type=port, help="the port to listen on")


def main() -> int:
    """Parse, set Django up, run."""
    parser = _Parser(prog="make run", description="Run everything here.")
    add_arguments(parser)
    asked = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shoeproject.settings")
    try:
        checks.writable(Path(os.environ.get("VAR_DIR") or BASE_DIR / "var").resolve())
        django.setup()
    except checks.CannotStart as error:
        print(f"Cannot start: {error.detail}", file=sys.stderr)
        return 1
    except (ImproperlyConfigured, ValueError, OSError) as error:
        why = str(error).partition("\n")[0]
        print(f"Cannot start: the settings cannot be used: {why}", file=sys.stderr)
        return 1
    # It reads the settings when imported.
    from shoeproject.up.start import run_or_explain

    return run_or_explain(asked.host, asked.port)


if __name__ == "__main__":
    sys.exit(main())
