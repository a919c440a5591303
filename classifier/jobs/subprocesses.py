"""A job whose work is done by a process of its own, because it imports torch.

`watch` is the worker's side, `be` that of the process. A Celery child may not start DataLoader
workers, and what runs out of memory in a process of its own takes nothing else with it.
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


def log_path(name: str) -> Path:
    """Where a process writes what it has to say; `name` without an ending."""
    return settings.VAR_DIR / "log" / f"{name}.log"


def manage(*arguments: object) -> list[str]:
    """The command line of a management command."""
    return [sys.executable, str(settings.BASE_DIR / "manage.py"), *map(str, arguments)]


def watch(claim: Claim, command: Sequence[str], what: str, log: Path) -> None:
    """Run a command to its end and keep the claim's lease meanwhile.

    `what` names it in a sentence, its output goes to the end of `log`. Whatever is raised, the
    process and its children are gone by then: ClaimLost and WorkerStopping as `tick` raises them,
    WorkerDied where it ended badly without writing to the row why.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with open(log, "ab") as out:
        # Its standard input is a pipe that only this process holds: should this process be killed,
        # the pipe closes and the other ends itself. Its session is its own, so that its children
        # can be ended with it.
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


def be(model, pk: int, attempt: int | None, work: Callable[[Claim, Path], None], room: str) -> int:
    """Be the process of job `pk` under the claim numbered `attempt`; returns the exit status.

    `work(claim, scratch)` may use the folder `scratch`, below `room` of the cache; it is removed
    afterwards. Whatever goes wrong in a foreseeable way is written to the job's row from here.
    """
    _end_with_parent()
    # Ctrl-C is for the process above, which then ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    claim = Claim(model, pk, attempt or 0)
    scratch = settings.CACHE_DIR / room / f"{pk}-{os.getpid()}"
    what = f"{model._meta.verbose_name} {pk}"
    try:
        work(claim, scratch)
    except ClaimLost:
        logger.info("%s was taken from this process", what)
        return 1
    except ProjectError as error:
        logger.exception("%s failed", what)
        claim.fail(error.detail)
        return 1
    except Exception as error:
        logger.exception("%s failed", what)
        claim.fail(f"An error nobody foresaw stopped it ({type(error).__name__}: {error}).")
        return 1
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return 0


def _end(process) -> None:
    """End the process and its children, politely at first; harmless when it has ended."""
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
    """End this process and its children when the process above is gone.

    That process holds the other end of standard input; however it dies, the pipe closes.
    """
    if os.getpgrp() != os.getpid():
        return  # Started by hand, at a terminal.

    def read() -> None:
        # Not through sys.stdin: its lock, held here, would hang every DataLoader worker forked now.
        while os.read(0, 1):
            pass
        os.killpg(os.getpgrp(), signal.SIGKILL)

    threading.Thread(target=read, daemon=True).start()
