"""`python -m shoeproject.up`: what `make run` calls.

Unlike `manage.py up` it also reports, in one line, errors that occur before Django is set up.
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
    """Reports errors in one line, without a usage text: people call `make run`, not this."""

    def error(self, message):
        self.exit(1, f"Cannot start: {message}\n")


def port(text: str) -> int:
    """Parse a port number, for argparse."""
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"“{text}” is not a port: those go from 1 to 65535")
    return int(text)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of `make run` and `manage.py up`."""
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on")
    parser.add_argument("--port", default=8000, type=port, help="the port to listen on")


def main() -> int:
    """Parse the options, set Django up, run; return the exit status."""
    parser = _Parser(prog="make run", description="Run everything here.")
    add_arguments(parser)
    options = parser.parse_args()
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
    # It needs Django set up when it is imported.
    from shoeproject.up.start import run_or_explain

    return run_or_explain(options.host, options.port)


if __name__ == "__main__":
    sys.exit(main())
