"""Loaded into the Celery workers of `make run`: says on disk that this worker takes work.

A ping would do for most, but a training worker that went straight on with an interrupted training
answers none until that is done.
"""

import os
from pathlib import Path

from celery.signals import worker_ready

from shoeproject.up.processes import MARK


def marker(var: Path, name: str) -> Path:
    """The file in which worker `name` leaves its pid when it is ready."""
    return var / "run" / f"{name}.ready"


@worker_ready.connect
def _say_so(sender, **kwargs):
    name = sender.hostname.partition("@")[0]
    marker(Path(os.environ[MARK]), name).write_text(str(os.getpid()))
