"""Long work as rows in the database. There is no table here, only the abstract model.

The row is the truth, the broker a doorbell: a message carries an id and nothing else, a worker that
hears it claims the row by compare-and-set or goes home. Losing a message, hearing it twice, or
losing the worker therefore does no harm; `ring_due` rings again for what is left lying.
"""

from shoeproject.jobs.bell import ring_due
from shoeproject.jobs.claim import (
    Claim,
    ClaimLost,
    Halted,
    Postponed,
    WorkerDied,
    WorkerStopping,
    job_done,
    perform,
    stopping,
)
from shoeproject.jobs.model import Job
from shoeproject.jobs.states import OPEN_STATES, TRANSITIONS, State, TransitionRefused

__all__ = [
    "OPEN_STATES",
    "TRANSITIONS",
    "Claim",
    "ClaimLost",
    "Halted",
    "Job",
    "Postponed",
    "State",
    "TransitionRefused",
    "WorkerDied",
    "WorkerStopping",
    "job_done",
    "perform",
    "ring_due",
    "stopping",
]
