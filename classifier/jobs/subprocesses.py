"""Jobs whose work is done in a subprocess, because it imports torch.

The worker calls `supervise`, the subprocess `run_in_subprocess`. A Celery child may not start
DataLoader workers, and a subprocess that runs out of memory takes nothing else with it.
"""

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from django.conf import settings

from shoeproject.errors import ProjectError
from shoeproject.jobs import Claim, ClaimLost, WorkerDied

logger = logging.getLogger(__name__)
POLL_SECONDS = 0.5
GRACE_SECONDS = 10


def log_file(name: str) -> Path:
    """Path of a subprocess's log; `name` without an ending."""
    return settings.VAR_DIR / "log" / f"{name}.log"


def management_command(*arguments: object) -> list[str]:
    """The command line of a management command."""
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *map(str, arguments)]


def supervise(claim: Claim, command: Sequence[str], what: str, log: Path) -> None:
    """Run a command to its end and keep the claim's lease meanwhile.

    `what` names it in messages; its output is appended to `log`. Raises ClaimLost and
    WorkerStopping as `tick` does, and WorkerDied where the process failed without writing the
    reason to the job's row; the process and its children are gone by then.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as out:
        # Only this process holds the other end of its standard input: when this process is killed,
        # the pipe closes and the subprocess ends itself. It has a session of its own, so that its
        # children can be ended with it.
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=out, stderr=out, start_new_session=True
        )
    try:
        while process.poll() is None:
            claim.tick()
            time.sleep(POLL_SECONDS)
    finally:
        _end(process)
    claim.tick(force=True)
    if process.returncode:
        how = f"the {what} process ended with {_ending(process.returncode)}; {log} has its words."
        raise WorkerDied(how)


def run_in_subprocess(
    model, pk: int, attempt: int | None, work: Callable[[Claim, Path], None], folder: str
) -> int:
    """Do the work of job `pk` under the claim numbered `attempt`; returns the exit status.

    `work(claim, scratch)` may make the folder `scratch`, below `folder` of the cache; it is removed
    afterwards. An error is written to the job's row.
    """
    _end_with_parent()
    # Ctrl-C is for the supervising process, which then ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    claim = Claim(model, pk, attempt or 0)
    scratch = settings.CACHE_DIR / folder / f"{pk}-{os.getpid()}"
    name = f"{model._meta.verbose_name} {pk}"
    try:
        work(claim, scratch)
    except ClaimLost:
        logger.info("%s was taken from this process", name)
        return 1
    except Exception as error:
        logger.exception("%s failed", name)
        unexpected = f"An error nobody foresaw stopped it ({type(error).__name__}: {error})."
        claim.fail(error.detail if isinstance(error, ProjectError) else unexpected)
        return 1
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 0


def _end(process) -> None:
    """End the process and its children: SIGTERM, then SIGKILL. Harmless when it has ended."""
    if process.poll() is None:
        _signal_group(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)
    _signal_group(process, signal.SIGKILL)
    process.stdin.close()
    process.wait()


def _signal_group(process, number) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"code {code}"


def _end_with_parent() -> None:
    """End this process and its children when the supervising process is gone.

    That one holds the other end of standard input; however it dies, the pipe closes.
    """
    if os.getpgrp() != os.getpid():
        return  # Started by hand, at a terminal.

    def read() -> None:
        # Not through sys.stdin: its lock, held here, would hang every DataLoader worker forked now.
        while os.read(0, 1):
            pass
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=read, daemon=True).start()
