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

    code = "transition_refused"

    def __init__(self, job, was, to):
        super().__init__(job, was, to)
        self.job, self.was, self.to = job, was, to

    @property
    def detail(self):
        """One sentence for people."""
        return f"“{self.job}” is {self.was} and cannot become {self.to}."
