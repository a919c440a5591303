"""Long work as rows in the database: an abstract model, and the code that performs its rows.

The database row is the source of truth. A Celery message only tells a worker that row N is waiting
("ringing" for it): a worker that receives the message claims the row by compare-and-set and ignores
the message if there is nothing to claim. A lost message, a message delivered twice or a dead worker
therefore does no harm; `ring_due` sends messages again for rows that still wait.
"""

from shoeproject.jobs.claim import (
    Claim,
    ClaimLost,
    Paused,
    Postponed,
    WorkerDied,
    WorkerStopping,
    job_done,
    stopping,
)
from shoeproject.jobs.model import Job
from shoeproject.jobs.notify import ring_due
from shoeproject.jobs.states import OPEN_STATES, TRANSITIONS, State, TransitionRefused
from shoeproject.jobs.worker import perform

__all__ = [
    "OPEN_STATES",
    "TRANSITIONS",
    "Claim",
    "ClaimLost",
    "Job",
    "Paused",
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
