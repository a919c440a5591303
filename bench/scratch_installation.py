"""Make an installation for one benchmark, in a folder that is removed when its process ends."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

from django.core.management import call_command

# Variables that would lead to another installation.
OTHER_SERVICES = ("DATABASE_URL", "REDIS_URL", "CACHE_URL", "S3_BUCKET")
# No throttling, and no assessment that starts by itself.
DEFAULTS = {
    "ASSESS_AFTER": "", "THROTTLE_PREDICT": "", "THROTTLE_FEEDBACK": "", "THROTTLE_READ": "",
    "THROTTLE_WRITE": "",
}  # fmt: skip


def make_scratch(name: str, **variables: str) -> Path:
    """Make a folder and let the environment name it as the installation's. Returns it.

    `variables`: further settings. Call this before Django is set up.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    atexit.register(shutil.rmtree, folder)
    os.environ |= DEFAULTS | variables | {"VAR_DIR": str(folder)}
    for variable in OTHER_SERVICES:
        os.environ.pop(variable, None)
    return folder


def keep_scratch() -> None:
    """Leave the scratch folder for somebody to look at."""
    atexit.unregister(shutil.rmtree)


def install() -> None:
    """Prepare the database, the types, the model that comes with the project and static files."""
    call_command("migrate", verbosity=0)
    call_command("register_starter")
    call_command("collectstatic", verbosity=0, interactive=False)
