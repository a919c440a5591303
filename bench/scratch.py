"""An installation of its own for a benchmark, in a folder that its caller removes."""

import os
import tempfile
from pathlib import Path

from django.core.management import call_command

# What would lead to another installation, and what would refuse, or work beside, what is measured.
ELSEWHERE = ("DATABASE_URL", "REDIS_URL", "CACHE_URL", "S3_BUCKET")
QUIET = {
    "ASSESS_AFTER": "", "THROTTLE_PREDICT": "", "THROTTLE_FEEDBACK": "", "THROTTLE_READ": "",
    "THROTTLE_WRITE": "",
}  # fmt: skip


def make_scratch(name: str, **settings: str) -> Path:
    """A new folder, which the environment names as the installation's from now on.

    Nobody's requests are counted and nothing is assessed by itself; `settings`: others, by the
    names of their environment variables. To be called before Django is set up.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    os.environ |= QUIET | settings | {"VAR_DIR": str(folder)}
    for variable in ELSEWHERE:
        os.environ.pop(variable, None)
    return folder


def install() -> None:
    """Database, types, the model that comes with the project, static files."""
    call_command("migrate", verbosity=0)
    call_command("register_starter")
    call_command("collectstatic", verbosity=0, interactive=False)
