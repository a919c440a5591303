"""Start training runs, and supervise the process that trains.

The worker runs this module, which never imports torch; the training itself happens in a subprocess,
`manage.py train --run`.
"""

from django.conf import settings

from classifier import recipes
from classifier.errors import ClassifierError
from classifier.inference.card import HEAD, WEIGHTS
from classifier.jobs import checkpoints, evaluation, subprocesses
from classifier.models import ModelVersion, TrainingRun
from classifier.registry import lookup
from curation.models import Snapshot
from shoeproject.jobs import ClaimLost, State


class SnapshotIncomplete(ClassifierError):
    """Pictures of the snapshot were purged."""

    name: str
    code = "snapshot_incomplete"
    message = (
        "Pictures of snapshot “{name}” were removed for good since; freeze a new one to train."
    )


class NoTeacher(ClassifierError):
    """The version named as teacher has no linear head."""

    version: ModelVersion
    code = "no_teacher"
    message = "{version} has no linear head, so it cannot teach; choose another teacher."


def check(snapshot: Snapshot, recipe: str, overrides: dict) -> None:
    """Check what a training needs. Raises the recipe's errors, `VersionNotFound` and `NoTeacher`
    for its teacher, and `SnapshotIncomplete`."""
    teacher = recipes.get_recipe(recipe, overrides).teacher
    # Only a version with a linear head has the head's own file.
    if teacher and not {HEAD, WEIGHTS} <= set((version := lookup.find(teacher)).card["files"]):
        raise NoTeacher(version)
    if snapshot.incomplete:
        raise SnapshotIncomplete(snapshot.name)


def start(snapshot: Snapshot, recipe="", overrides=None, seed: int = 42, by=None) -> TrainingRun:
    """Queue a training; `recipe` defaults to the setting `DEFAULT_RECIPE`. Raises as `check`."""
    recipe, overrides = recipe or settings.DEFAULT_RECIPE, overrides or {}
    check(snapshot, recipe, overrides)
    if overrides.get("teacher"):
        # Its digest: a number means another version in another database, “active” may tomorrow.
        overrides = {**overrides, "teacher": lookup.find(str(overrides["teacher"])).digest[:12]}
    run = TrainingRun.objects.create(
        snapshot=snapshot, recipe=recipe, overrides=overrides, seed=seed, asked_by=by
    )
    run.ring()
    return run


def supervise(claim) -> None:
    """Perform a training job: run the training process, then queue the version's evaluation.

    A process that dies is started again from its last checkpoint, by whichever worker is free.
    """
    run = claim.job
    drop_old_checkpoints()
    try:
        if not ModelVersion.objects.filter(run=run).exists():
            _train(claim)
    except ClaimLost:
        if claim.job.state == State.CANCELLED:
            checkpoints.drop(run.pk)
        raise
    version = ModelVersion.objects.get(run=run)
    checkpoints.drop(run.pk)
    if run.evaluate:
        evaluation.ask(version, run.snapshot, by=run.asked_by)


def drop_old_checkpoints() -> None:
    """Drop the checkpoints of runs that are over: those cancelled while paused, for example, or
    whose worker died just after finishing."""
    over = TrainingRun.objects.filter(state__in=[State.DONE, State.CANCELLED])
    for run_id in over.filter(pk__in=checkpoints.run_ids()).values_list("pk", flat=True):
        checkpoints.drop(run_id)


def _train(claim) -> None:
    command = subprocesses.management_command(
        "train", "--run", claim.pk, "--attempt", claim.attempt
    )
    log = subprocesses.log_file(f"training-run-{claim.pk}")
    subprocesses.supervise(claim, command, "training", log)
