"""Training runs: starting one, and watching over the process that trains.

This module runs in the worker and never imports torch; the training itself happens in
`manage.py train --run`, a process of its own (a Celery child may not start DataLoader workers, and
what runs out of memory there takes nothing else with it).
"""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress

from django.conf import settings

from classifier import evaluate, promote, recipes, stored_checkpoints
from classifier.errors import ClassifierError
from classifier.models import ModelVersion, TrainingRun
from classifier.predict import HEAD, WEIGHTS
from curation.models import Snapshot
from shoeproject.jobs import ClaimLost, State, WorkerDied

POLL_SECONDS = 0.5
GRACE_SECONDS = 10


class SnapshotIncomplete(ClassifierError):
    """Pictures of the snapshot were purged."""

    code = "snapshot_incomplete"

    def __init__(self, name: str):
        self.name = name
        super().__init__(
            f"Pictures of snapshot “{name}” were removed for good since; freeze a new one to train."
        )


class NoTeacher(ClassifierError):
    """The version to learn from cannot teach."""

    code = "no_teacher"

    def __init__(self, version: ModelVersion):
        super().__init__(
            f"{version} has no linear head, so it cannot teach; choose another teacher."
        )


def check(snapshot: Snapshot, recipe: str, overrides: dict) -> None:
    """Raise the recipe's errors, `VersionNotFound` and `NoTeacher` for its teacher, or
    `SnapshotIncomplete`, before anything is queued."""
    teacher = recipes.get_recipe(recipe, overrides).teacher
    # The head's own file is there only where the head is linear.
    if teacher and not {HEAD, WEIGHTS} <= set((version := promote.find(teacher)).card["files"]):
        raise NoTeacher(version)
    if snapshot.incomplete:
        raise SnapshotIncomplete(snapshot.name)


def start(snapshot: Snapshot, recipe="", overrides=None, seed: int = 42, by=None) -> TrainingRun:
    """Queue a training; `recipe` defaults to the setting `DEFAULT_RECIPE`. Raises as `check`."""
    recipe, overrides = recipe or settings.DEFAULT_RECIPE, overrides or {}
    check(snapshot, recipe, overrides)
    if overrides.get("teacher"):
        # A number means another version in another database, “active” another one tomorrow.
        overrides = {**overrides, "teacher": promote.find(str(overrides["teacher"])).digest[:12]}
    run = TrainingRun.objects.create(
        snapshot=snapshot, recipe=recipe, overrides=overrides, seed=seed, asked_by=by
    )
    run.ring()
    return run


def supervise(claim) -> None:
    """Perform a training job: start the process, keep the lease, pass on a stop, judge the result.

    A process that dies is started again from its last checkpoint, by whichever worker is free.
    """
    run = claim.job
    sweep()
    try:
        if not ModelVersion.objects.filter(run=run).exists():
            _train(claim)
    except ClaimLost:
        if claim.job.state == State.CANCELLED:
            stored_checkpoints.drop(run.pk)
        raise
    version = ModelVersion.objects.get(run=run)
    stored_checkpoints.drop(run.pk)
    if run.evaluate:
        evaluate.ask(version, run.snapshot, by=run.asked_by)


def sweep() -> None:
    """Drop the checkpoints of runs that are over: a run cancelled while it was paused, say, or
    whose worker died between finishing and tidying up."""
    over = TrainingRun.objects.filter(state__in=[State.DONE, State.CANCELLED])
    for run_id in over.filter(pk__in=stored_checkpoints.run_ids()).values_list("pk", flat=True):
        stored_checkpoints.drop(run_id)


def log_path(run_id: int):
    """Where the training process of a run writes what it has to say."""
    return settings.VAR_DIR / "log" / f"training-run-{run_id}.log"


def _train(claim) -> None:
    log = log_path(claim.pk)
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [
        sys.executable, str(settings.BASE_DIR / "manage.py"), "train",
        "--run", str(claim.pk), "--attempt", str(claim.attempt),
    ]  # fmt: skip
    with open(log, "ab") as out:
        # Its standard input is a pipe that only this process holds: should this process be killed,
        # the pipe closes and the training ends itself. Its session is its own, so that its
        # DataLoader workers can be ended with it.
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
        how = f"the training process ended with {_ending(process.returncode)}; {log} has its words."
        raise WorkerDied(how)


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
