"""Loaded into the Celery workers of `make run`: writes a file when the worker is ready.

A Celery ping would not do: a training worker that resumed an interrupted training at its start
answers none until that has ended.
"""

import os
from pathlib import Path

from celery.signals import worker_ready

from shoeproject.up.processes import RUN_VARIABLE


def ready_file(var: Path, name: str) -> Path:
    """Return the file into which worker `name` writes its process id when it is ready."""
    return var / "run" / f"{name}.ready"


@worker_ready.connect
def _write_ready_file(sender, **kwargs):
    name = sender.hostname.partition("@")[0]
    ready_file(Path(os.environ[RUN_VARIABLE]), name).write_text(str(os.getpid()))
