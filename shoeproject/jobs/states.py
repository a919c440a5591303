"""The states of a job and the transitions between them."""

from django.db import models

from shoeproject.errors import ProjectError


class State(models.TextChoices):
    """The states of a job."""

    QUEUED = "queued", "queued"
    RUNNING = "running", "running"
    PAUSED = "paused", "paused"
    DONE = "done", "done"
    FAILED = "failed", "failed"
    CANCELLED = "cancelled", "cancelled"


TRANSITIONS: dict[str, set[State]] = {
    State.QUEUED: {State.RUNNING, State.PAUSED, State.CANCELLED},
    State.RUNNING: {State.QUEUED, State.PAUSED, State.DONE, State.FAILED, State.CANCELLED},
    State.PAUSED: {State.QUEUED, State.CANCELLED},
    State.FAILED: {State.QUEUED},
    State.DONE: set(),
    State.CANCELLED: set(),
}
OPEN_STATES = [State.QUEUED, State.RUNNING, State.PAUSED]


class TransitionRefused(ProjectError):
    """The table of transitions does not allow a job in state `was` to become `to`."""

    job: models.Model
    was: State
    to: State
    code = "transition_refused"
    status = 409
    message = "“{job}” is {was} and cannot become {to}."
