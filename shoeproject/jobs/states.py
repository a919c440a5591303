"""Where a job can stand, and which way it can go from there."""

from django.db import models

from shoeproject.errors import ProjectError


class State(models.TextChoices):
    """Where a job stands."""

    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    PAUSED = "paused", "paused"
    DONE = "done", "done"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


TRANSITIONS = {
    State.QUEUED: {State.RUNNING, State.PAUSED, State.CANCELLED},
    State.RUNNING: {State.QUEUED, State.PAUSED, State.DONE, State.FAILED, State.CANCELLED},
    State.PAUSED: {State.QUEUED, State.CANCELLED},
    State.FAILED: {State.QUEUED},
    State.DONE: set(),
    State.CANCELLED: set(),
}
OPEN_STATES = [State.QUEUED, State.RUNNING, State.PAUSED]


class TransitionRefused(ProjectError):
    """A job cannot go from where it stands to where it was sent."""

    job: models.Model
    was: State
    to: State
    code = "transition_refused"
    status = 409
    message = "“{job}” is {was} and cannot become {to}."
